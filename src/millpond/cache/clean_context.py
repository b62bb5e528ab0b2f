"""A clean context for shared work, so that no visitor's context variables can reach stored results."""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from millpond.render.scopes.current_scope import detached

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from contextvars import Context

T = TypeVar("T")

_SENTRY = "sentry_sdk"

CROSSING: list[ContextVar[Any]] = []
"""The only variables that shared work inherits from its first caller: they track which work waits for which. The scope
isn't among them, as shared work has its own."""


def crossing(variable: ContextVar[T]) -> ContextVar[T]:
    """Let shared work inherit one of Millpond's own variables; returns it."""
    CROSSING.append(variable)
    return variable


class CleanContext:
    """A copy of the context in which an application was created; each piece of shared work gets its own copy of that.

    Renders, refreshes and fills run in such a copy, so their results don't depend on the first caller: they inherit no
    context variable, tracing span or scope of an error tracker, and variables that they set end with them.
    """

    def __init__(self) -> None:
        with detached():
            self._context = copy_context()

    def copy(self) -> Context:
        """A context for one piece of work, as a context can't be entered twice at the same time."""
        context = self._context.copy()
        context.run(_set_variables, [(variable, variable.get()) for variable in CROSSING])
        return context

    def begin(self, work: Callable[[], Awaitable[T]], name: str | None = None) -> asyncio.Task[T]:
        """Run `work` in a task that belongs to no render: it continues after the calling render has ended."""
        context, loop = self.copy(), asyncio.get_running_loop()
        with detached():
            return loop.create_task(_isolated(work), name=name, context=context)

    def run(self, work: Callable[[], T]) -> T:
        """Run `work` at once, in this thread."""

        def isolated() -> T:
            with _isolation():
                return work()

        return self.copy().run(isolated)

    def prepare(self, work: Callable[[], T]) -> T:
        """Call `work`; all later copies have the context variables that it sets, as those of modules it imports.

        Raises:
            BaseException: raised by `work`.
        """
        entered = False

        def entering() -> T:
            nonlocal entered
            entered = True
            return work()

        try:
            return self._context.run(entering)
        except RuntimeError:
            if entered:
                raise
            return work()  # the calling code was itself called by `prepare`, and runs in the context already

    async def finish(self, result: Awaitable[object]) -> None:
        """Await what `work` has returned to `prepare`, in the same way.

        Raises:
            BaseException: raised by the awaited work.
        """
        await asyncio.get_running_loop().create_task(_awaited(result), context=self._context)


def _set_variables(values: list[tuple[ContextVar[Any], Any]]) -> None:
    for variable, value in values:
        variable.set(value)


async def _isolated(work: Callable[[], Awaitable[T]]) -> T:
    if _SENTRY not in sys.modules:
        return await work()
    with _isolation():
        return await work()


@contextmanager
def _isolation() -> Iterator[None]:
    """If Sentry is in use, give the work its own scopes and trace.

    Sentry keeps its scopes in context variables, and all copies of a context share the same scope objects: a tag or
    span that is set in one copy shows in all. Versions before 2 have no isolation.
    """
    sentry: Any = sys.modules.get(_SENTRY)
    if not hasattr(sentry, "isolation_scope"):
        yield
        return
    with sentry.isolation_scope() as isolation, sentry.scope.use_scope(sentry.Scope()):
        isolation.set_new_propagation_context()
        yield


async def _awaited(result: Awaitable[object]) -> None:
    await result
