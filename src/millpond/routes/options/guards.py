"""Dependencies that are listed for what they do: of the application, a router, a folder, or an operation."""

from __future__ import annotations

import functools
import hashlib
import inspect
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millpond.internals import fastapi_names

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
    from types import CodeType, FrameType

    from fastapi.routing import APIRoute

    from millpond.errors import Place


@dataclass(frozen=True, slots=True)
class Guard:
    """One dependency of a list: its value is used by nobody, so it is there to refuse requests, or to note them."""

    name: str
    """Of its function."""
    place: Place
    """Where the list is written, in a folder or an `@operation`; of other lists, where the function is."""
    function: str
    """Its module and qualified name."""
    takes_request: bool
    """Whether it gets the request as a whole, or what it gets isn't known."""
    codes: frozenset[CodeType]
    """Of its function, and of those that it depends on."""

    def is_on_stack(self, frame: FrameType | None) -> bool:
        """Whether it runs; `frame` is the innermost one to look at."""
        while frame is not None:
            if frame.f_code in self.codes:
                return True
            frame = frame.f_back
        return False


def guards_of(route: APIRoute, places: Sequence[Place]) -> list[Guard]:
    """The guards of a route in the order in which they run, which is that of its `dependencies`.

    Args:
        route: its `dependencies` are those of the application, of routers or folders, and of the operation itself.
        places: where each of them is written.
    """
    return [
        Guard(
            name=_name(depends.dependency),
            place=place,
            function=identity_of(depends.dependency),
            takes_request=fastapi_names.takes_request(route, index),
            codes=frozenset(_codes(_calls(route, index))),
        )
        for index, (depends, place) in enumerate(zip(route.dependencies, places, strict=True))
    ]


def guarded_digest(digest: str, guards: Iterable[Guard]) -> str:
    """The digest of a route's source with its guards, in hex: they may be listed in another file."""
    functions = [guard.function for guard in guards]
    return hashlib.sha256("\n".join([digest, *functions]).encode()).hexdigest() if functions else digest


def _calls(route: APIRoute, index: int) -> Iterable[Callable[..., Any] | None]:
    known = fastapi_names.calls_of(route, index)
    return [route.dependencies[index].dependency] if known is None else known


_asked: ContextVar[tuple[Sequence[Guard], int] | None] = ContextVar("millpond_asked_guards", default=None)
"""The guards of the operation that runs, and how many have let the request through."""


@contextmanager
def asking(guards: Sequence[Guard]) -> Iterator[None]:
    """Within the block a request passes one of `guards` after the other; `passed` must tell."""
    token = _asked.set((guards, 0))
    try:
        yield
    finally:
        _asked.reset(token)


def passed(guards: Sequence[Guard], index: int) -> Callable[[], Awaitable[None]]:
    """A dependency to stand behind a guard, which tells that it has let the request through."""

    async def has_passed() -> None:
        _asked.set((guards, index + 1))

    return has_passed


def running_guard(guards: Sequence[Guard]) -> Guard | None:
    """The one of `guards` on whose behalf this code runs: also in a task or thread that it has started."""
    asked = _asked.get()
    if asked is not None and asked[0] is guards and asked[1] < len(guards):
        return guards[asked[1]]
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to a caller's frame
    return next((guard for guard in guards if guard.is_on_stack(frame)), None)


def _name(function: Any) -> str:
    function = _inner(function)
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


def identity_of(function: Any) -> str:
    """The module and the qualified name of a dependency's function."""
    function = _inner(function)
    named = function if isinstance(getattr(function, "__qualname__", None), str) else type(function)
    return f"{named.__module__}:{named.__qualname__}"


def _inner(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _codes(functions: Iterable[Callable[..., Any] | None]) -> Iterator[CodeType]:
    for function in functions:
        function = _inner(function)
        if function is None:
            continue
        made = [type(function).__call__]  # a class has one, too: its metaclass's
        made += [function.__new__, function.__init__] if inspect.isclass(function) else [inspect.unwrap(function)]
        for part in made:
            code = getattr(part, "__code__", None)
            if code is not None:
                yield code
