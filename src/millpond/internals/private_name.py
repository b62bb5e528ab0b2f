"""An undocumented name of another package: whether it exists, and works as Millpond expects."""

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

_logged: set[PrivateName] = set()


@dataclass(frozen=True)
class PrivateName:
    """One name, and the consequence of its absence."""

    module: str
    name: str
    """The name in the module: `serialize_response`, `APIRoute.dependant`."""
    without: str
    """What is slower or missing without it."""
    positional: int = 0
    """The number of positional arguments that it is called with."""
    keywords: tuple[str, ...] = ()
    """The keyword arguments that it is called with."""
    sample: Callable[[], object] | None = None
    """Makes an instance of the class, for an attribute that only instances have."""

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"

    @property
    def is_known(self) -> bool:
        """Whether it exists, and takes the arguments that this code passes."""
        return self.problem is None

    @functools.cached_property
    def problem(self) -> str | None:
        """How it differs from what is expected; None if it doesn't. Checked once per process."""
        try:
            found = self.find()
        except Exception as error:  # noqa: BLE001 - whatever it raises, the package isn't as expected
            return f"{self} is missing" if isinstance(error, (AttributeError, ImportError)) else f"{self}: {error!r}"
        if not self.positional and not self.keywords:
            return None
        try:
            inspect.signature(found).bind(*(None,) * self.positional, **dict.fromkeys(self.keywords))
        except (TypeError, ValueError):
            return f"{self} takes other arguments"
        return None

    def find(self) -> Any:
        """The object that has this name now.

        Raises:
            ImportError, AttributeError: there is none.
        """
        module, name = importlib.import_module(self.module), self.name
        if self.sample is None:
            return attrgetter(name)(module)
        return getattr(self.sample(), name.partition(".")[2])

    def get(self) -> Any:
        """The result of `find`; None if the name is unknown."""
        return self.find() if self.is_known else None


class NoName(PrivateName):
    """A name that a class doesn't define itself, and that Millpond adds to it; `sample` returns the class."""

    @functools.cached_property
    def problem(self) -> str | None:
        """That the class defines it itself; None if it doesn't. Checked once per process, before Millpond adds it."""
        owner = self.sample() if self.sample is not None else None
        return f"{self} is there" if self.name.rpartition(".")[2] in vars(owner) else None


def tell_unknown(names: Iterable[PrivateName]) -> None:
    """Log in one line which names are unknown, and the consequences; each name once per process."""
    unknown = [name for name in names if not name.is_known and name not in _logged]
    if not unknown:
        return
    _logged.update(unknown)
    packages = dict.fromkeys(_named_version(name.module.partition(".")[0]) for name in unknown)
    log.warning(
        "Millpond doesn't know the private names of %s, and uses fallbacks: %s. Everything works; if this matters, "
        "pin an older release.",
        ", ".join(packages),
        "; ".join(f"{name.problem} ({name.without})" for name in unknown),
    )


def _named_version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} of this Python"
