"""What of a module is an application: Millponds, others that contain one, and functions that make one."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from types import FunctionType
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.applications import Starlette

from millpond.app.application import Millpond
from millpond.errors import UsageError
from millpond.messages import one_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PREFERRED = ("app", "api")
"""The names that FastAPI's command line prefers, too."""
_FACTORIES = ("create_app", "make_app", "get_app", "build_app")


@dataclass(frozen=True, slots=True)
class Candidates:
    """The applications of one module."""

    module: str
    """The module's name, as it was asked for."""
    file: str
    ponds: dict[str, Millpond] = field(default_factory=dict)
    """By name; one that has two names is there once."""
    others: dict[str, object] = field(default_factory=dict)
    """Applications that are no Millponds."""
    factories: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.ponds or self.others or self.factories)

    def chosen(self) -> tuple[Millpond, str | None]:
        """The Millpond called `app`, else `api`, else the only one; and what is to be said about it.

        Raises:
            UsageError: there is none, or it isn't clear which.
        """
        for name in PREFERRED:
            if name in self.ponds:
                return self.ponds[name], None
        if len(self.ponds) > 1:
            raise UsageError(
                f"{self.file} makes {len(self.ponds)} Millponds, {_listed(self.ponds)}; "
                f"name one: --app {one_of(map(self.named, self.ponds))}, or [app] entrypoint in millpond.toml."
            )
        if not self.ponds:
            return self._contained()
        name, pond = next(iter(self.ponds.items()))
        return pond, self._left_out(name)

    def named(self, name: str) -> str:
        """The import string of a name."""
        return f"{self.module}:{name}"

    def _left_out(self, name: str) -> str | None:
        """A note, if another application contains this one, or is what other servers would take."""
        pond = self.ponds[name]
        around = [other for other, app in self.others.items() if pond in contained(app)]
        other = next(iter([*around, *(name for name in PREFERRED if name in self.others)]), None)
        if other is None:
            return None
        return self._note(other, f"{self.named(name)}{', which it contains' if other in around else ''}")

    def _contained(self) -> tuple[Millpond, str | None]:
        found: dict[int, tuple[str, Millpond]] = {}
        for name, app in self.others.items():
            for pond in contained(app):
                found.setdefault(id(pond), (name, pond))
        if len(found) > 1:
            raise UsageError(
                f"{self.file} makes {len(found)} Millponds, none of which has a name; "
                f'give them names, and choose one with --app {self.module}:NAME, or [app] entrypoint = "…".'
            )
        if found:
            name, pond = next(iter(found.values()))
            return pond, self._note(name, "the Millpond that it contains")
        if self.others:
            raise UsageError(
                f"{not_a_pond(self, next(iter(self.others)))} To take the folder app/ without it, write into "
                'millpond.toml: [app] entrypoint = "".'
            )
        if self.factories:
            raise UsageError(
                f"{self.file} makes no application by itself, but has {self.factories[0]}(); write --app "
                f"{self.named(self.factories[0])} --factory, or in millpond.toml "
                f'[app] entrypoint = "{self.named(self.factories[0])}" and factory = true.'
            )
        raise UsageError(f"{self.file} makes no Millpond; write in it: app = Millpond()")

    def _note(self, other: str, taken: str) -> str:
        return (
            f"{self.named(other)} isn't a Millpond but {described(self.others[other])}. This is about {taken}; "
            f"`uvicorn {self.named(other)}` serves the whole."
        )


def not_a_pond(candidates: Candidates, name: str) -> str:
    """What to do about an application that is no Millpond."""
    app = candidates.others[name]
    remedy = f"Serve it with `uvicorn {candidates.named(name)}`."
    if isinstance(app, FastAPI):
        remedy = f"Write {name} = Millpond(...) in the place of {type(app).__name__}(...), and keep all the rest."
    return (
        f"{candidates.named(name)} ({candidates.file}) isn't a Millpond but {described(app)}: its own routes would be "
        f"missing. {remedy}"
    )


def candidates_in(module: ModuleType, name: str, file: str) -> Candidates:
    """The applications of `module`, which was imported as `name` from `file`."""
    values = {key: value for key, value in vars(module).items() if not key.startswith("__")}
    ponds: dict[str, Millpond] = {}
    for key in sorted(values, key=_rank):
        pond = values[key]
        if isinstance(pond, Millpond) and not any(pond is other for other in ponds.values()):
            ponds[key] = pond
    others = {key: value for key, value in values.items() if _is_other_application(key, value)}
    factories = tuple(key for key, value in values.items() if _is_factory(value, module.__name__))
    return Candidates(name, file, ponds, dict(sorted(others.items(), key=lambda item: _rank(item[0]))), factories)


def contained(app: object) -> list[Millpond]:
    """The Millponds that an application mounts or wraps, each once."""
    found: dict[int, Millpond] = {}
    seen: set[int] = set()
    waiting = [app]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, Millpond):
            found.setdefault(id(each), each)
            continue
        waiting.extend(_inside(each))
    return list(found.values())


def described(value: object) -> str:
    """What an object is, for messages."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, FastAPI):
        return "a FastAPI application"
    return "a function" if inspect.isroutine(value) else f"an object of the class {type(value).__name__}"


def _inside(app: object) -> Iterator[object]:
    """What an application passes requests on to: its mounts, and what a middleware keeps as `app`."""
    if isinstance(app, Starlette):
        yield from app.routes
        return
    yield from (value for value in (_own(app, "app"), _own(app, "_app"), *_routes(app)) if value is not None)


def _own(app: object, name: str) -> object:
    return getattr(app, "__dict__", {}).get(name)  # no properties, nor what a proxy answers for any name


def _routes(app: object) -> list[Any]:
    routes = _own(app, "routes")
    return routes if isinstance(routes, list) else []


def _is_other_application(name: str, value: object) -> bool:
    if isinstance(value, Millpond | type):
        return False
    # By any other name an object with an async __call__ may be anything.
    return isinstance(value, Starlette) or (name in PREFERRED and _is_asgi(value))


def _is_asgi(value: object) -> bool:
    """Whether it is called as ASGI applications are: with three arguments, asynchronously."""
    if isinstance(value, FunctionType):
        return inspect.iscoroutinefunction(value) and value.__code__.co_argcount == 3
    return inspect.iscoroutinefunction(vars(type(value)).get("__call__"))


def _is_factory(value: object, module: str) -> bool:
    if not inspect.isfunction(value) or value.__module__ != module or _needs_arguments(value):
        return False
    returned = value.__annotations__.get("return")
    names = (returned if isinstance(returned, str) else getattr(returned, "__name__", "")).rpartition(".")
    return value.__name__ in _FACTORIES or names[2] in ("Millpond", "FastAPI")


def _needs_arguments(function: FunctionType) -> bool:
    parameters = inspect.signature(function).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(each.default is each.empty and each.kind not in variadic for each in parameters)


def _rank(name: str) -> tuple[int, str]:
    return (PREFERRED.index(name), name) if name in PREFERRED else (len(PREFERRED), name)


def _listed(names: dict[str, Millpond]) -> str:
    return " and ".join(names)
