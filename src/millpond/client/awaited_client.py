"""A client for code that awaits, in any event loop."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from millpond.client.blocking_client import RETRIES, TIMEOUT, Client
from millpond.client.store_way import PURGE_SECONDS

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from millpond.cache.invalidation_order import Expiry
    from millpond.client.reached import Reached
    from millpond.routes.naming.named_path import PathType


class AsyncClient:
    """`Client` with methods to await. They run in threads, so one client serves any number of event loops.

    A call that is cancelled may still take place.
    """

    def __init__(
        self,
        project: str | os.PathLike[str] | None = None,
        *,
        url: str | None = None,
        secret: str | None = None,
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
        purge_timeout: float = PURGE_SECONDS,
    ) -> None:
        self._client = Client(
            project, url=url, secret=secret, timeout=timeout, retries=retries, purge_timeout=purge_timeout
        )

    async def revalidate_tag(
        self, tag: str, profile: str | Expiry | None = None, *, expire: float | None = None, host: str | None = None
    ) -> Reached:
        """See `Client.revalidate_tag`."""
        return await self.revalidate(tags=[tag], profile=profile, expire=expire, host=host)

    async def update_tag(self, tag: str, *, host: str | None = None) -> Reached:
        """See `Client.update_tag`."""
        return await self.revalidate(tags=[tag], host=host)

    async def revalidate_path(self, path: str, /, type: PathType | None = None, **params: object) -> Reached:  # noqa: A002 - the original's name
        """See `Client.revalidate_path`."""
        return await _in_thread(partial(self._client.revalidate_path, path, type, **params))

    async def revalidate(
        self,
        *,
        tags: Sequence[str] = (),
        paths: Sequence[str] = (),
        type: PathType | None = None,  # noqa: A002 - as above
        profile: str | Expiry | None = None,
        expire: float | None = None,
        host: str | None = None,
    ) -> Reached:
        """See `Client.revalidate`."""
        revalidate = partial(self._client.revalidate, tags=tags, paths=paths, type=type)
        return await _in_thread(partial(revalidate, profile=profile, expire=expire, host=host))


async def _in_thread(work: Callable[[], Reached]) -> Reached:
    from anyio.to_thread import run_sync  # here, as code that blocks needs none

    return await run_sync(work, abandon_on_cancel=True)
