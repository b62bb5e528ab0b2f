"""Two passes that verify a static answer (R9.2, R9.3): the first fills caches, the second must not wait."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millpond.errors import RenderTimeoutError
from millpond.prerender.verify.idle_loop import IdleLoop, cancel_all
from millpond.prerender.verify.waits import WaitKind, blamed, waits
from millpond.render.after import drop_after
from millpond.render.base_exceptions import result_of
from millpond.render.scopes.dynamic_use import DynamicUse, NotStatic

if TYPE_CHECKING:
    from millpond.errors import Place
    from millpond.prerender.verify.idle_loop import StartedTasks
    from millpond.render.renderer import Rendered, Renderer
    from millpond.render.scopes.inputs import Inputs
    from millpond.render.scopes.shared_scope import SharedScope
    from millpond.render.target import Target

_CLEAN_UP = 5.0
"""Seconds for a cancelled render to release its connections."""


@dataclass(frozen=True, slots=True)
class Passes:
    """Runs renders in an IdleLoop."""

    renderer: Renderer
    timeout: float
    """Seconds for one pass."""

    async def first(self, target: Target) -> Inputs | None:
        """Run the handler to fill caches. Its other errors are ignored: the second pass raises them again (R9.2).

        Returns:
            The inputs that it read: if it memoizes one itself, the second pass doesn't see that input.

        Raises:
            NotStatic: the answer depends on the request, or waits for the outside world.
            RenderTimeoutError: there was no answer within `timeout`.
        """
        scope = self.renderer.shared_scope(target, at_build=True)
        try:
            await _Pass(self, scope).run()
        except (NotStatic, RenderTimeoutError, asyncio.CancelledError):
            raise
        except Exception:  # noqa: BLE001 - the second pass decides, and raises it again
            return scope.inputs
        finally:
            drop_after(scope)
        return scope.inputs

    async def final(self, target: Target) -> Rendered:
        """Run the handler with filled caches: it must end without waiting for the outside world (R9.3).

        Its `after` callbacks run; those of the first pass don't (D28).

        Raises:
            NotStatic, RenderTimeoutError: as `first`.
            Exception: whatever the handler raised.
        """
        scope = self.renderer.shared_scope(target, at_build=True)
        try:
            return await _Pass(self, scope).run()
        finally:
            if scope.dynamic_use is None:
                self.renderer.finish(scope)
            else:
                drop_after(scope)


class _Pass:
    """One run of a handler, checked whenever the loop would block."""

    def __init__(self, passes: Passes, scope: SharedScope) -> None:
        self._passes, self._scope = passes, scope
        self._started: StartedTasks
        self._task: asyncio.Task[Rendered]
        self._ended: asyncio.Future[None]

    async def run(self) -> Rendered:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, IdleLoop):
            raise TypeError("passes need an IdleLoop")
        self._ended = loop.create_future()
        with loop.noting_tasks_of(self._scope) as self._started:
            return await self._run_in(loop)

    async def _run_in(self, loop: IdleLoop) -> Rendered:
        self._task = asyncio.create_task(self._passes.renderer.render_in(self._scope))
        try:
            with loop.watched_by(self._look, self._scope):
                either: set[asyncio.Future[Any]] = {self._task, self._ended}
                await asyncio.wait(either, timeout=self._passes.timeout, return_when=asyncio.FIRST_COMPLETED)
            if self._task.done():
                return result_of(self._task)
            if self._scope.dynamic_use is None:
                raise RenderTimeoutError(self._too_late())
            raise NotStatic(self._scope.dynamic_use, promise=self._scope.static_promise)
        finally:
            await cancel_all(self._task, self._started, _CLEAN_UP)

    def _look(self) -> bool:
        """End the render if it waits for the outside world."""
        if self._task.done() or self._ended.done():
            return False
        everyone = [waits(task, self._scope.project) for task in self._unfinished()]
        kinds = {wait.kind for wait in everyone}
        # It is unknown whether the handler awaits a task that waits for the outside world. While a cache is being
        # filled, that task may be one that the handler leaves running; the next look decides.
        if WaitKind.FILL in kinds or (WaitKind.THREAD in kinds and WaitKind.OUTSIDE not in kinds):
            return False
        if self._scope.dynamic_use is None:
            wait = blamed(everyone)
            self._scope.dynamic_use = DynamicUse(f"awaits {wait.what}", wait.place or self._get_place())
        self._ended.set_result(None)
        return True

    def _unfinished(self) -> list[asyncio.Task[Any]]:
        return [task for task in (self._task, *self._started) if not task.done()]

    def _get_place(self) -> Place:
        return self._scope.target.route.operations["GET"].place

    def _too_late(self) -> str:
        return (
            f"{self._get_place()}: no answer within {self._passes.timeout:g} s; speed up what it waits for, raise "
            "[build] timeout, or call `await connection()` first, so that the route is live."
        )
