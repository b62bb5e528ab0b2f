"""What an invalidation from outside of a server has reached, and the ways to reach it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    from millpond.cache.invalidation_order import OrderBody


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a call: what was invalidated, and where."""

    tags: int
    """The number of tags that were named."""
    paths: int
    """The number of paths and patterns that were named."""
    generation: int
    """The store's generation afterwards. Earlier renders are invalidated; later ones are not."""
    via: Literal["lmdb", "valkey", "endpoint"]
    """The embedded store's file, a shared store, or the endpoint of a server."""
    where: str
    """The folder, the address without its password, or the URL."""
    warnings: list[str] = []
    """What looks like a mistake, such as a path that no route has."""


class Way(Protocol):
    """How a cache is reached. It holds nothing open between two calls, so threads and forked processes may share it."""

    def carry_out(self, order: OrderBody, seconds: float) -> Reached:
        """Invalidate.

        Args:
            order: valid tags and paths, at least one of them.
            seconds: the time limit.

        Raises:
            UnreachedError: no cache was reached, or it isn't known whether one was.
            UsageError: what is named can't be.
            ConfigError: a secret isn't set.
            PurgeError: it took place, and a cache in front doesn't know.
        """
        ...
