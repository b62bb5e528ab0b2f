"""`[cache]`: the store and its bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from millpond.config.ranges import not_positive
from millpond.errors import one_of
from millpond.policy.coding import Coding

if TYPE_CHECKING:
    from collections.abc import Iterator


STORES = {"lmdb": 1024 * 1024 * 1024, "memory": 256 * 1024 * 1024}
"""The stores there are, and what each may hold where nothing is said."""


class CacheConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[cache]`: the store and its bounds."""

    store: str = "lmdb"
    """"lmdb": one file for all workers, kept over restarts. "memory": one cache for each process, gone with it."""
    path: str = ".millpond/cache"
    """The folder of the embedded store, seen from the project; on a local disk, and no other project's."""
    max_bytes: int | None = None
    """What the store may hold before it evicts; None is 1 GiB, and 256 MiB in memory."""
    max_entry_bytes: int = 16 * 1024 * 1024
    """The largest answer that is stored; a GET that answers more is live."""
    max_data_bytes: int = 2 * 1024 * 1024
    """The largest fetched answer or function result that is stored; a larger one is used, and not kept."""
    max_query_variants: int = 100
    """How many answers of one path are kept for different queries, where a route has `cache_query`."""
    codings: tuple[Coding, ...] = ("zstd", "br", "gzip")
    """In which answers are stored besides the plain form, where that saves 10 % or more; [] for none."""
    render_timeout: float = 60.0
    """Seconds after which a regeneration counts as failed."""
    lease_seconds: float = 10.0
    """How long a worker that was killed in mid-render can delay others that want the same; a living one renews."""

    def bytes_in(self, store: str) -> int:
        """What a store of that kind may hold."""
        return STORES[store] if self.max_bytes is None else self.max_bytes

    def complaints(self) -> Iterator[str]:
        """What is wrong with the values."""
        yield from not_positive(
            {
                "cache.max_bytes": self.max_bytes,
                "cache.max_entry_bytes": self.max_entry_bytes,
                "cache.max_data_bytes": self.max_data_bytes,
                "cache.max_query_variants": self.max_query_variants,
                "cache.render_timeout": self.render_timeout,
                "cache.lease_seconds": self.lease_seconds,
            }
        )
        if self.store not in STORES:
            yield f'"cache.store" is "{self.store}"; it must be {one_of(STORES)}.'
