"""Dependencies that a folder or an `@operation` lists, for what they do."""

from __future__ import annotations

import functools
import inspect
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millpond.internals import fastapi_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import CodeType, FrameType

    from fastapi.routing import APIRoute

    from millpond.errors import Place


@dataclass(frozen=True, slots=True)
class Guard:
    """One dependency of a list: its value is used by nobody, so it is there to refuse requests, or to note them."""

    name: str
    """Of its function."""
    place: Place
    """Where the list is written."""
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


def guards_of(route: APIRoute, places: Sequence[Place | None]) -> dict[int, Guard]:
    """The guards of a route in the order in which they run, by their index in its `dependencies`.

    Args:
        route: its `dependencies` are those of the application, of folders and of the operation itself.
        places: where each of them is written; None: at the application.
    """
    return {
        index: Guard(
            name=_name(depends.dependency),
            place=place,
            takes_request=fastapi_names.takes_request(route, index),
            codes=frozenset(_codes(_calls(route, index))),
        )
        for index, (depends, place) in enumerate(zip(route.dependencies, places, strict=True))
        if place is not None
    }


def _calls(route: APIRoute, index: int) -> Iterable[Callable[..., Any] | None]:
    known = fastapi_names.calls_of(route, index)
    return [route.dependencies[index].dependency] if known is None else known


def running_guard(guards: Iterable[Guard]) -> Guard | None:
    """The one of `guards` on whose behalf this code runs."""
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to a caller's frame
    return next((guard for guard in guards if guard.is_on_stack(frame)), None)


def _name(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


def _codes(functions: Iterable[Callable[..., Any] | None]) -> Iterator[CodeType]:
    for function in functions:
        while isinstance(function, functools.partial):
            function = function.func
        if function is None:
            continue
        whole = inspect.isclass(function)
        parts = [function.__init__] if whole else [inspect.unwrap(function), type(function).__call__]
        for part in parts:
            code = getattr(part, "__code__", None)
            if code is not None:
                yield code
