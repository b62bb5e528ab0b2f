"""A name that another package doesn't document: whether it is there, and as Millpond knows it."""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

log = logging.getLogger("millpond.internals")

_told: set[PrivateName] = set()


@dataclass(frozen=True)
class PrivateName:
    """One name, and what Millpond is without it."""

    module: str
    name: str
    """In the module: `serialize_response`, `APIRoute.dependant`."""
    without: str
    """What is slower or lacking where it isn't there."""
    positional: int = 0
    """How many arguments it is called with by position."""
    keywords: tuple[str, ...] = ()
    """And by name."""
    sample: Callable[[], object] | None = None
    """Makes an object of the class, for an attribute that only objects have."""

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"

    @property
    def is_known(self) -> bool:
        """Whether it is there, and as it was when the code here was written."""
        return self.problem is None

    @functools.cached_property
    def problem(self) -> str | None:
        """In what it isn't as it is known; None when all is well. Looked at once in a process."""
        try:
            found = self.find()
        except Exception as error:  # noqa: BLE001 - whatever a package does instead, it isn't what is known
            return f"{self} is missing" if isinstance(error, (AttributeError, ImportError)) else f"{self}: {error!r}"
        if not self.positional and not self.keywords:
            return None
        try:
            inspect.signature(found).bind(*(None,) * self.positional, **dict.fromkeys(self.keywords))
        except (TypeError, ValueError):
            return f"{self} takes other arguments"
        return None

    def find(self) -> Any:
        """What has the name now.

        Raises:
            ImportError, AttributeError: nothing has.
        """
        module, name = importlib.import_module(self.module), self.name
        if self.sample is None:
            return attrgetter(name)(module)
        return getattr(self.sample(), name.partition(".")[2])

    def get(self) -> Any:
        """As `find`; None where it isn't known."""
        return self.find() if self.is_known else None


class NoName(PrivateName):
    """A name that a class doesn't have, and gets from Millpond; `sample` gives the class."""

    @functools.cached_property
    def problem(self) -> str | None:
        """That it has one of its own; None when all is well. Looked at once in a process, before it gets one."""
        owner = self.sample() if self.sample is not None else None
        return f"{self} is there" if self.name.rpartition(".")[2] in vars(owner) else None


def tell_unknown(names: Iterable[PrivateName]) -> None:
    """Log in one line which names aren't as they are known, and what that means; each once in a process."""
    unknown = [name for name in names if not name.is_known and name not in _told]
    if not unknown:
        return
    _told.update(unknown)
    packages = dict.fromkeys(_named_version(name.module.partition(".")[0]) for name in unknown)
    log.warning(
        "Millpond doesn't know the insides of %s, and goes without: %s. Everything works; where this matters, pin an "
        "older release.",
        ", ".join(packages),
        "; ".join(f"{name.problem} ({name.without})" for name in unknown),
    )


def _named_version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} of this Python"
