"""The test client: FastAPI's, over an application that touches nothing of its project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from fastapi.testclient import TestClient as FastAPITestClient

from millpond.internals.client_names import share_loop
from millpond.testing.stage import SETTLE_SECONDS, Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import httpx2
    from starlette.types import ASGIApp

    from millpond.cache.invalidation_order import Expiry
    from millpond.render.candidacy import ModeReason
    from millpond.routes.naming.named_path import PathType
    from millpond.testing.moved_clock import Clock

T = TypeVar("T")


class TestClient(FastAPITestClient):
    """FastAPI's TestClient, with a cache and a clock of its own.

    The cache is in memory, and empty when the client is made. The project's build and store are neither read nor
    written, no cache in front is purged, and no secret has to be set. Each request is waited for until the refreshes
    and `after` callbacks that it has started have ended.

    `with TestClient(app) as client:` runs the lifespan. Without `with`, each request has an event loop of its own.

    Args:
        app: a Millpond, or an ASGI application that wraps or mounts one.
        base_url: as FastAPI's, like those up to `client`.
        raise_server_exceptions: whether what the application raises is raised in the test; otherwise it is a 500.
        root_path: what a proxy in front strips from paths.
        backend: Millpond runs on asyncio.
        backend_options: for anyio's event loop.
        cookies: of each request.
        headers: of each request.
        follow_redirects: whether redirects are followed.
        client: the host and port of the client.
        use_build: serve the project's build, as `millpond start` does, from a copy in memory.
        clock: by which answers go stale; a new one, at the present, when not given. Clients may share one.
        settles: False: in `with`, refreshes and callbacks aren't waited for, until `settle` is called.
    """

    __test__ = False

    def __init__(
        self,
        app: ASGIApp,
        base_url: str = "http://testserver",
        raise_server_exceptions: bool = True,
        root_path: str = "",
        backend: Literal["asyncio"] = "asyncio",
        backend_options: dict[str, Any] | None = None,
        cookies: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        follow_redirects: bool = True,
        client: tuple[str, int] = ("testclient", 50000),
        *,
        use_build: bool = False,
        clock: Clock | None = None,
        settles: bool = True,
    ) -> None:
        self._stage = (
            app
            if isinstance(app, Stage)
            else Stage(app, clock, use_build=use_build, settles=settles, root_path=root_path)
        )
        self._options: dict[str, Any] = {
            "base_url": base_url,
            "raise_server_exceptions": raise_server_exceptions,
            "root_path": root_path,
            "backend": backend,
            "backend_options": backend_options,
            "follow_redirects": follow_redirects,
            "client": client,
        }
        of_this_one: dict[str, Any] = {"cookies": cookies, "headers": None if headers is None else dict(headers)}
        super().__init__(self._stage, **self._options, **of_this_one)

    @property
    def clock(self) -> Clock:
        """By which answers go stale: `client.clock.move(61)` lets 61 seconds pass."""
        return self._stage.clock

    def visitor(self, *, cookies: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Self:
        """Another visitor of the same application: a client of the same cache, with cookies and headers of its own.

        Args:
            cookies: of each request.
            headers: of each request.
        """
        other = type(self)(self._stage, **self._options, cookies=cookies, headers=headers)
        share_loop(self, other)
        return other

    def invalidate(
        self,
        *tags: str,
        paths: str | Sequence[str] = (),
        type: PathType | None = None,  # noqa: A002 - the name of `revalidate_path`
        profile: str | Expiry | None = None,
        expire: float | None = None,
        host: str | None = None,
    ) -> None:
        """Invalidate answers and data, as a webhook or `millpond revalidate` does.

        Args:
            tags: what `revalidate_tag` takes.
            paths: what `revalidate_path` takes; they expire at once.
            type: for the paths, as in `revalidate_path`.
            profile: as in `revalidate_tag`; for the paths, too.
            expire: the same in seconds.
            host: only answers for this host; None: all.

        Raises:
            UsageError: there are neither tags nor paths, or something about them is invalid.
        """
        self._stage.invalidate(tags, paths, type, profile, expire, host)

    def why_live(self, path: str, headers: Mapping[str, str] | None = None) -> ModeReason | None:
        """Why a GET is live, as the build table says it; None: it is static or fresh.

        What the file alone doesn't tell is found out by a render, which isn't stored.

        Args:
            path: such as "/search", with its query if there is one.
            headers: of the request, as far as they are part of the key.

        Returns:
            `text`, such as "headers()", and `place`, the file and the line; `str()` of it has both.

        Raises:
            UsageError: no route answers the path.
            Exception: what the handler raised.
        """
        return self._in_loop(lambda: self._stage.why_live(path, headers))

    def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """Wait until no refresh and no `after` callback runs; needed with `settles=False` only.

        Args:
            seconds: how long to wait.

        Raises:
            AssertionError: some still run then.
        """
        self._in_loop(lambda: self._stage.settle(seconds))

    def clear(self) -> None:
        """Empty the cache: the next request is answered as a new client's first one. The clock stays as it is."""
        self.settle()
        self._stage.restart()

    def _in_loop(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something in the event loop in which requests run: a request takes it there."""
        errand = self._stage.errand(work)
        super().send(self.build_request("GET", "/", headers=errand.headers))
        return errand.result()

    # What replaces httpx2's

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """As httpx2's."""
        response = super().send(request, **options)
        self._stage.sign(response)
        return response

    def close(self) -> None:
        """As httpx2's."""
        super().close()
        self._stage.leave()
