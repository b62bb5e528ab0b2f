"""Every error a user can meet. A message says what happened, where, and what to do about it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Place(NamedTuple):
    """A line of the user's code; `file` is relative to the project, so that a build reads the same on every machine."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


class MillpondError(Exception):
    """Something the user can mend. `str(error)` is the whole message: no traceback is needed to act on it."""


class ConfigError(MillpondError):
    """millpond.toml can't be read, has a wrong key or value, or names a secret that is missing."""


class RouteError(MillpondError):
    """The files below app/ don't make a set of routes: a bad folder name, or two files for one URL (R1.12 to R1.18)."""


class RouteModuleError(MillpondError):
    """A route file can't be loaded, or exports something that can't work (R1.19 to R1.21, R2.1 to R2.8)."""


class BuildError(MillpondError):
    """A build can't be made, or the one found can't be served."""


class StoreError(MillpondError):
    """The store can't be used: its folder, its file, its server, or the way this process came to it."""


class UsageError(MillpondError):
    """A function of Millpond was called where it can't work, or with arguments that make no sense."""


class UnsendableError(MillpondError):
    """An answer can't be written as HTTP: its status, its length, or a header with a line break in it."""


class PurgeError(MillpondError):
    """A cache in front has refused a purge, or not acknowledged it in time: it may still serve what was invalidated."""


class OverdueError(MillpondError):
    """A render wasn't begun: too many others hang, each in a thread that can't be stopped."""


class StaticOnlyError(MillpondError):
    """A live GET of a route with `dynamic = "error"` asked for request data (R2.17)."""


def one_of(options: Iterable[str]) -> str:
    """`"a", "b" or "c"`, for messages that list what is allowed."""
    quoted = [f'"{option}"' for option in options]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def at(place: Place | None) -> str:
    """`app/route.py:7: `, what a message begins with; empty where the place isn't known."""
    return "" if place is None else f"{place}: "


def closest(name: str, names: Iterable[str], likeness: float = 0.6) -> str | None:
    """The one of `names` that `name` may be a misspelling of, for "did you mean".

    Args:
        name: what was written.
        names: what can be written.
        likeness: from 0 to 1, how much alike they have to be.
    """
    return next(iter(difflib.get_close_matches(name, list(names), n=1, cutoff=likeness)), None)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 entry`, `2 entries`; the plural is the noun with an s where none is given."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
