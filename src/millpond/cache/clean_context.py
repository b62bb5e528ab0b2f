"""The context that work for everybody begins in: nobody's, so that no visitor's variables reach what is stored."""

from __future__ import annotations

import asyncio
import inspect
import sys
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from millpond.render.scopes.scope import detached

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from contextvars import Context

T = TypeVar("T")

CROSSING: list[ContextVar[Any]] = []
"""All that shared work inherits of whoever asked for it first: who waits for whom. Not the scope: it has its own."""


def crossing(variable: ContextVar[T]) -> ContextVar[T]:
    """Let a variable of Millpond's cross into shared work; returns it."""
    CROSSING.append(variable)
    return variable


class CleanContext:
    """A copy of the context that an application was made in, and of it a copy for each piece of shared work.

    A render, a refresh and a fill begin in one, so what they make doesn't depend on who asked first: no context
    variable, tracing span or scope of an error tracker gets in, and what the work itself sets ends with it.
    """

    def __init__(self) -> None:
        with detached():
            self._context = copy_context()

    def copy(self) -> Context:
        """A context for one piece of work: a context can be entered only once at a time."""
        context = self._context.copy()
        context.run(_set, [(variable, variable.get()) for variable in CROSSING])
        return context

    def begin(self, work: Callable[[], Awaitable[T]], name: str | None = None) -> asyncio.Task[T]:
        """Run `work` in a task that is no render's: it goes on when the render that asked has ended."""
        context = self.copy()
        with detached():
            return asyncio.get_running_loop().create_task(_isolated(work), name=name, context=context)

    def run(self, work: Callable[[], T]) -> T:
        """Run `work` here and now, in this thread."""

        def isolated() -> T:
            with _isolation():
                return work()

        return self.copy().run(isolated)

    async def extend(self, prepare: Callable[[], object]) -> None:
        """Call `prepare`, and await what it returns where that can be awaited: what it sets is in each later copy.

        Raises:
            BaseException: whatever `prepare` raises.
        """
        result = self._context.run(prepare)
        if inspect.isawaitable(result):
            await asyncio.get_running_loop().create_task(_awaited(result), context=self._context)


def _set(values: list[tuple[ContextVar[Any], Any]]) -> None:
    for variable, value in values:
        variable.set(value)


async def _isolated(work: Callable[[], Awaitable[T]]) -> T:
    with _isolation():
        return await work()


@contextmanager
def _isolation() -> Iterator[None]:
    """Where Sentry is used, scopes and a trace of the work's own.

    Context variables hold Sentry's scopes, and every copy of a context the same ones: whoever sets a tag or begins a
    span changes them for all. Versions before 2 know no isolation.
    """
    sentry: Any = sys.modules.get("sentry_sdk")
    if not hasattr(sentry, "isolation_scope"):
        yield
        return
    with sentry.isolation_scope() as isolation, sentry.scope.use_scope(sentry.Scope()):
        isolation.set_new_propagation_context()
        yield


async def _awaited(result: Awaitable[object]) -> None:
    await result
