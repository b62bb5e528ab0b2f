"""Waiting for caches in front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.cache.active_application import required_cache

if TYPE_CHECKING:
    from millpond.cache.invalidate import Invalidation


async def purged(*invalidations: Invalidation, timeout: float | None = 30.0) -> None:  # noqa: ASYNC109 - it is for users
    """Wait until all caches in front have acknowledged what was invalidated (`[[cdn.purge]]`).

    Nobody waits for them otherwise: an invalidation returns when it holds in Millpond's own cache. The second purge,
    `again_after` seconds after the first, is waited for, too. Where no caches are configured there is nothing to wait
    for.

    Args:
        invalidations: what calls of `revalidate_tag` and the like returned; none: all of this process so far.
        timeout: seconds; None: no limit.

    Raises:
        PurgeError: a cache has refused one, or hasn't acknowledged it in time.
        UsageError: without an application in this process.
    """
    purges = required_cache("purged()").purges
    if purges is None:
        return
    number = max(each.purge for each in invalidations) if invalidations else purges.latest
    if number:
        await purges.acknowledged(number, timeout)
