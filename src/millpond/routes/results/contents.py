"""What of an object becomes JSON. FastAPI publishes the attributes of whatever it doesn't know, a client's secrets too.

Attributes are data where a class only holds some. What acts (requests, clients, sessions, functions), what configures
(settings, the environment) and what hides (private attributes) is refused, by what it can do and not by its name, so
that the objects of libraries nobody has thought of are refused, too.
"""

from __future__ import annotations

import json
import os
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from starlette.config import environ
from starlette.requests import HTTPConnection

from millpond.errors import UsageError
from millpond.routes.results.upstream_answers import is_upstreams_class

if TYPE_CHECKING:
    from millpond.errors import Place

_PRIVATE = "_"
_SQLALCHEMYS = "_sa"
"""FastAPI drops attributes and keys that begin so."""

_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (HTTPConnection, "it holds the whole request"),
    (BaseException, "an error is raised, not returned"),
    (ModuleType, "it is a module"),
    ((type(os.environ), type(environ)), "it is the whole environment, with its secrets"),
)
_ABILITIES = (
    (("__call__",), "it can be called"),
    (("__await__", "__aiter__", "__anext__"), "it has to be awaited"),
    (("__enter__", "__aenter__", "aclose", "fileno"), "it is opened and closed, as clients, sessions and files are"),
    (("settings_customise_sources",), "settings hold secrets"),  # what pydantic-settings has, and nothing else
)
_judged: WeakKeyDictionary[type, str | None] = WeakKeyDictionary()
"""For each class once: a list of a thousand models is asked about a thousand times."""


class NotData(Exception):
    """A value that must not be published, or can't be JSON; callers prepend their steps to its path."""

    def __init__(self, value: Any, why: str, *, formless: bool = False) -> None:
        super().__init__(why)
        self.value, self.why = value, why
        self.formless = formless
        """FastAPI can make nothing of it, either."""
        self.path: list[str] = []
        """From the inside out."""

    def within(self, step: str) -> None:
        self.path.append(step)

    def error(self, place: Place | None) -> UsageError | ValueError:
        """What the user gets to see; a ValueError where FastAPI raises one."""
        kind = type(self.value)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        where = "".join(reversed(self.path))
        what = f"data{where} is of the type {name}" if where else f"what it returns is of the type {name}"
        message = (
            f"{'a handler' if place is None else place}: {what}, which isn't published: {self.why}. "
            "Return a dict or a pydantic model that has what clients may see, or declare it as the response model."
        )
        return ValueError(message) if self.formless else UsageError(message)


def key_step(key: object) -> str:
    """The step of a path that goes into a mapping or a list."""
    return f"[{json.dumps(key, ensure_ascii=False) if isinstance(key, str) else repr(key)}]"


def why_not_data(kind: type) -> str | None:
    """Why objects of the class aren't data, whatever they hold; None where it depends on that."""
    if kind not in _judged:
        _judged[kind] = _judgement(kind)
    return _judged[kind]


def _judgement(kind: type) -> str | None:
    if is_upstreams_class(kind):
        return "an upstream's answer is passed on alone, and in data there is room for what it holds, its json()"
    for refused, why in _KINDS:
        if issubclass(kind, refused):
            return why
    for names, why in _ABILITIES:
        if any(_defines(kind, name) for name in names):
            return why
    return None


def _defines(kind: type, name: str) -> bool:
    """Whether objects of the class can do it; `getattr` would find what the class itself can, as to be called."""
    return next((vars(base)[name] is not None for base in kind.__mro__ if name in vars(base)), False)


def check_kind(value: Any) -> None:
    """Refuse what isn't data whatever it holds.

    Raises:
        NotData: it isn't.
    """
    why = why_not_data(type(value))
    if why is not None:
        raise NotData(value, why)


def contents_of(value: Any) -> dict[Any, Any]:
    """What FastAPI publishes of an object that it has no encoder for: `dict(value)`, else `vars(value)`.

    Raises:
        NotData: nobody means to publish that, or there is nothing to publish.
    """
    if isinstance(value, type) or not (hasattr(value, "__dict__") or hasattr(value, "__iter__")):
        raise NotData(value, why_not_data(type(value)) or "it has no form in JSON", formless=True)
    check_kind(value)
    try:
        return dict(value)
    except Exception:  # noqa: BLE001 - FastAPI's way to ask whether it is a mapping
        return _attributes(value)


def _attributes(value: Any) -> dict[str, Any]:
    try:
        attributes = vars(value)
    except TypeError:
        raise NotData(value, "it has no form in JSON", formless=True) from None
    for name in attributes:
        if name.startswith(_PRIVATE) and not name.startswith(_SQLALCHEMYS):
            raise NotData(value, f"its attribute {name} is private")
    return dict(attributes)
