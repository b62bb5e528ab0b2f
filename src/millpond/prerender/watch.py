"""The observer of a build in the classic model: it records inputs, and ends no render."""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from millpond.observe.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from millpond.render.target import Target
    from millpond.routes.route_contract import Operation, Route


class Watch:
    """Observes the renders of `routes`.

    What is around a handler is observed for one path of each route, and for every path where it may run the user's code
    in the event loop. That is where observing is slow, with Python 3.11.
    """

    def __init__(self, project: Path, routes: Sequence[Route]) -> None:
        self._observer = Observer(project)
        self._routes = routes
        self._last: dict[str, str] = {}
        """By route: the key of its last path."""

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Observe within the block, which is to be run in an event loop."""
        anyio.to_thread.current_default_thread_limiter()  # loads what would be loaded, slowly, by the first render
        with self._observer.installed(), contextlib.ExitStack() as stack:
            for route in self._routes:
                if "GET" in route.operations:
                    stack.enter_context(route.operations["GET"].called_through(self._observer.handler))
            yield

    def expect(self, targets: Iterable[Target]) -> None:
        """What is going to be rendered, in this order: when the last of a route begins, not much else does."""
        self._last = {target.route.origin: target.key for target in targets}

    def render(self, target: Target) -> AbstractContextManager[None]:
        """Around the render of one path."""
        get = target.route.operations["GET"]
        last = self._last.get(target.route.origin) == target.key
        return self._observer.render(whole=last or get.streams or _has_async(get))


def _has_async(operation: Operation) -> bool:
    """Whether it has a dependency that runs in the event loop, or may have one."""
    dependencies = operation.dependency_calls()
    return dependencies is None or any(map(_is_async, dependencies))


def _is_async(call: Callable[..., Any]) -> bool:
    while isinstance(call, functools.partial):
        call = call.func
    call = inspect.unwrap(call)
    if not (inspect.isroutine(call) or inspect.isclass(call)):
        call = type(call).__call__
    return inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)
