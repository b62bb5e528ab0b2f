"""Where a test client's requests are answered: the application, on caches and by a clock of the test's own."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from millpond.app.rehearsal import Rehearsal
from millpond.cache.invalidation_order import InvalidationOrder, expire_after_of
from millpond.errors import UsageError
from millpond.messages import counted
from millpond.routes.naming.route_names import RouteNames
from millpond.serve.matching.matcher import Matched
from millpond.testing.assertions import WHY, is_live
from millpond.testing.errand import ERRAND, Errand
from millpond.testing.moved_clock import Clock
from millpond.testing.ponds_inside import pond_for, ponds_in
from millpond.testing.why_live import endpoint_matched, known_reason, why_live, with_variant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    import httpx2
    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.cache.invalidation_order import Expiry
    from millpond.render.candidacy import ModeReason
    from millpond.routes.naming.named_path import PathType

log = logging.getLogger("millpond.testing")

T = TypeVar("T")

SETTLE_SECONDS = 30.0
"""How long what goes on in the background is waited for."""

_OWN = frozenset({"app", "clock"})
"""The attributes of a stage that `client.app` shows in front of the application's."""


class Stage:
    """An ASGI application: the given one, on caches and by a clock of its own.

    Args:
        app: a Millpond, or what wraps or mounts one.
        clock: by it answers go stale.
        use_build: serve the project's build, which is only read.
        settles: whether each request is waited for until what it has started in the background has ended.
        root_path: of the requests.
    """

    def __init__(self, app: ASGIApp, clock: Clock | None, *, use_build: bool, settles: bool, root_path: str) -> None:
        self.app, self._settles, self._root_path = app, settles, root_path
        self._lifespans = 0
        self._state: dict[str, Any] = {}
        """What the lifespan has yielded for `request.state`: also of visitors, whose client runs none."""
        self._errands: dict[str, Errand[Any]] = {}
        self.clock = Clock() if clock is None else clock
        self._rehearsal = Rehearsal(self.clock, reads_build=use_build)
        self._rehearsal.step_forward()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or run a lifespan."""
        with self._rehearsal.present():
            if scope["type"] == "lifespan":
                await self._run_lifespan(scope, receive, send)
                return
            if (errand := self._errand_of(scope)) is not None:
                await errand(scope, receive, send)
                return
            before = set(self._tasks())
            await self.app({**scope, "state": {**self._state, **scope.get("state", {})}}, receive, send)
            if self._settles or not self._lifespans:  # without a lifespan nobody waits, and the event loop may end
                await self._settle(before, SETTLE_SECONDS)

    async def _run_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._lifespans += 1
        self._state = scope["state"]
        try:
            await self.app(scope, receive, send)
        finally:
            self._lifespans -= 1
            self._state = {}
            self.leave()
            self.restart()  # as with any cache in memory that a server had

    def __getattr__(self, name: str) -> Any:
        """What the application has: `client.app` is this."""
        return getattr(self.app, name)

    def __setattr__(self, name: str, value: object) -> None:
        """What isn't the stage's own is set on the application, too: `client.app.dependency_overrides = {}`, say."""
        if name in _OWN or name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            setattr(self.app, name, value)

    def errand(self, work: Callable[[], Awaitable[T]]) -> Errand[T]:
        """Have something done by the next request that has the errand's headers."""
        errand = Errand(work)
        self._errands[errand.number] = errand
        return errand

    def _errand_of(self, scope: Scope) -> Errand[Any] | None:
        if not self._errands:
            return None
        number = next((value for name, value in scope["headers"] if name == ERRAND), b"")
        return self._errands.pop(number.decode("latin-1"), None)

    def leave(self) -> None:
        """Let functions that are called outside of handlers use other applications."""
        self._rehearsal.step_back()

    def restart(self) -> None:
        """Forget all that was stored."""
        self._rehearsal.restart()

    async def settle(self, seconds: float) -> None:
        """Wait until nothing goes on in the background.

        Raises:
            AssertionError: something still does after `seconds`.
        """
        await self._settle(set(), seconds)

    async def _settle(self, before: set[asyncio.Task[Any]], seconds: float) -> None:
        """Wait for the tasks that weren't there before."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while tasks := set(self._tasks()) - before:
            if (left := ends - loop.time()) <= 0:
                raise AssertionError(
                    f"{counted(len(tasks), 'task')} in the background (refreshes, after() callbacks) didn't end within "
                    f"{seconds:g} s. If the test holds them, give the client settles=False."
                )
            await asyncio.wait(tasks, timeout=left)

    def _tasks(self) -> Iterable[asyncio.Task[Any]]:
        return (task for runtime in self._rehearsal.here() for task in runtime.tasks())

    def invalidate(
        self,
        tags: Sequence[str],
        paths: str | Sequence[str],
        type: PathType | None,  # noqa: A002 - the name of `revalidate_path`
        profile: str | Expiry | None,
        expire: float | None,
        host: str | None,
    ) -> None:
        """As `millpond revalidate` does.

        Raises:
            UsageError: there are neither tags nor paths, or something about them is invalid.
        """
        paths = [paths] if isinstance(paths, str) else paths
        if not tags and not paths:
            raise UsageError('invalidate(): give tags, or paths: invalidate("posts"), invalidate(paths=["/posts/1"]).')
        with self._rehearsal.present():
            ponds = ponds_in(self.app)
            names = [RouteNames.of(pond.own_routes, pond.config.base_path) for pond in ponds]
            orders = [InvalidationOrder.of(tags, paths, type, each, host) for each in names]
            for position in range(len(paths)):  # of several applications one has the path
                warnings = [order.paths[position].warning for order in orders]
                if warnings and None not in warnings:
                    log.warning("invalidate(): %s", warnings[0])
            for pond, order in zip(ponds, orders, strict=True):
                expire_after = expire_after_of(pond.config.profiles(), profile, expire)
                order.carry_out(pond.store, None, expire_after=expire_after)

    async def why_live(self, url: str, headers: Mapping[str, str] | None = None) -> ModeReason | None:
        """Why a GET of a path, with its query and headers, is live; None: it isn't.

        Raises:
            UsageError: no route answers it.
            Exception: what the handler raised.
        """
        pond, scope = pond_for(self.app, url, self._root_path)
        scope["headers"] = [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
        with self._rehearsal.present():
            return await why_live(pond, await pond.runtime(), scope)

    def sign(self, response: httpx2.Response) -> None:
        """Note why a live answer is live, for the messages of assertions."""
        for each in (*response.history, response):
            if is_live(each):
                each.extensions[WHY] = self._known_reason(each.request)

    def _known_reason(self, request: httpx2.Request) -> ModeReason | None:
        url = request.url.raw_path.decode("ascii")
        pond, scope = pond_for(self.app, url, self._root_path)
        runtime = self._rehearsal.latest(pond)
        matched = None if runtime is None else runtime.dispatcher.matcher.match(scope)
        if runtime is not None and matched is None:
            matched = endpoint_matched(runtime, scope)
        if runtime is None or not isinstance(matched, Matched):
            return None
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        return known_reason(pond, runtime, with_variant(matched, headers), request.method)
