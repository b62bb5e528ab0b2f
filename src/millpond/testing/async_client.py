"""The test client for async tests: httpx2's, in the test's own event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import httpx2

from millpond.testing.run_lifespan import RunningLifespan
from millpond.testing.stage import SETTLE_SECONDS, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from starlette.types import ASGIApp

    from millpond.cache.invalidation_order import Expiry
    from millpond.render.candidacy import ModeReason
    from millpond.routes.naming.named_path import PathType
    from millpond.testing.moved_clock import Clock


class AsyncTestClient(httpx2.AsyncClient):
    """httpx2's AsyncClient of an application, with a cache and a clock of its own; see `TestClient`.

    Unlike `AsyncClient(transport=ASGITransport(app))`, `async with AsyncTestClient(app) as client:` runs the lifespan.
    Without `async with` there is none.

    Args:
        app: as `TestClient`'s, like all others.
        base_url: see there.
        raise_server_exceptions: see there.
        root_path: see there.
        cookies: see there.
        headers: see there.
        follow_redirects: see there.
        client: see there.
        use_build: see there.
        clock: see there.
        settles: see there.
    """

    def __init__(
        self,
        app: ASGIApp,
        base_url: str = "http://testserver",
        *,
        raise_server_exceptions: bool = True,
        root_path: str = "",
        cookies: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        follow_redirects: bool = True,
        client: tuple[str, int] = ("testclient", 50000),
        use_build: bool = False,
        clock: Clock | None = None,
        settles: bool = True,
    ) -> None:
        self._stage = (
            app
            if isinstance(app, Stage)
            else Stage(app, clock, use_build=use_build, settles=settles, root_path=root_path)
        )
        self.app = self._stage.app
        self._lifespan: RunningLifespan | None = None
        self._options: dict[str, Any] = {
            "base_url": base_url,
            "raise_server_exceptions": raise_server_exceptions,
            "root_path": root_path,
            "follow_redirects": follow_redirects,
            "client": client,
        }
        super().__init__(
            transport=httpx2.ASGITransport(
                self._stage, raise_app_exceptions=raise_server_exceptions, root_path=root_path, client=client
            ),
            base_url=base_url,
            cookies=None if cookies is None else dict(cookies),
            headers={"user-agent": "testclient", **(headers or {})},
            follow_redirects=follow_redirects,
        )

    @property
    def clock(self) -> Clock:
        """See `TestClient.clock`."""
        return self._stage.clock

    def visitor(self, *, cookies: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Self:
        """See `TestClient.visitor`."""
        return type(self)(self._stage, **self._options, cookies=cookies, headers=headers)

    def invalidate(
        self,
        *tags: str,
        paths: str | Sequence[str] = (),
        type: PathType | None = None,  # noqa: A002 - the name of `revalidate_path`
        profile: str | Expiry | None = None,
        expire: float | None = None,
        host: str | None = None,
    ) -> None:
        """See `TestClient.invalidate`."""
        self._stage.invalidate(tags, paths, type, profile, expire, host)

    async def why_live(self, path: str, headers: Mapping[str, str] | None = None) -> ModeReason | None:
        """See `TestClient.why_live`."""
        return await self._stage.why_live(path, headers)

    async def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """See `TestClient.settle`."""
        await self._stage.settle(seconds)

    async def clear(self) -> None:
        """See `TestClient.clear`."""
        await self.settle()
        self._stage.restart()

    async def __aenter__(self) -> Self:
        """Run the lifespan, and open the client."""
        await super().__aenter__()
        self._lifespan = RunningLifespan(self._stage)
        await self._lifespan.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Close the client, and end the lifespan."""
        lifespan, self._lifespan = self._lifespan, None
        try:
            await super().__aexit__(exc_type, exc_value, traceback)
        finally:
            if lifespan is not None:
                await lifespan.end()

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """As httpx2's."""
        response = await super().send(request, **options)
        self._stage.sign(response)
        return response

    async def aclose(self) -> None:
        """As httpx2's."""
        await super().aclose()
        self._stage.leave()
