"""Parts of messages: places, choices, numbers of things."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.errors import Place


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


def in_one_line(text: str) -> str:
    """A text with what can't be printed escaped, such as the line breaks and control characters of a quoted value."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
