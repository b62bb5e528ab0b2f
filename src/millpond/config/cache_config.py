"""`[cache]`: the store and its bounds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from millpond.config.ranges import not_positive
from millpond.config.store_url import EXAMPLES, InvalidStoreUrl, is_store_url, parse_store_url
from millpond.config.values.quantities import Bytes, Seconds, SecondsOrNever, Share
from millpond.messages import one_of
from millpond.policy.entry import Coding
from millpond.policy.variants.vary_option import parse_hosts

if TYPE_CHECKING:
    from collections.abc import Iterator


STORES = {"lmdb": 1024 * 1024 * 1024, "memory": 256 * 1024 * 1024, "valkey": 1024 * 1024 * 1024}
"""The kinds of stores -> the default of `max_bytes` for each."""
_NAMED = ("lmdb", "memory")
OF_THE_MACHINERY = (
    *("store", "path", "prefix", "password_env", "serve_when_down", "store_timeout", "local_bytes", "max_bytes"),
    *("across_builds", "render_timeout", "max_overdue_renders", "refreshes_at_once", "lease_seconds"),
    *("jitter", "eager", "soft_timeout", "max_query_body_bytes"),
)
"""The options that no answer depends on: where answers are kept, and when they are made."""

_MAX_PREFIX = 100


class CacheConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[cache]`: the store and its bounds."""

    store: str = "lmdb"
    """"lmdb": one file for all workers, which survives restarts. "memory": one cache per process, lost when the process
    ends. A URL such as valkey://host:6379/0: a server that any number of hosts share."""
    path: str = ".millpond/cache"
    """The folder of the embedded store, relative to the project; on a local disk, not shared with another project."""
    prefix: str | None = None
    """The prefix of the keys in a shared server: the same on every host of one application. None is the project's
    name."""
    password_env: str | None = None
    """The environment variable that holds the password of a shared server, in place of one in the URL."""
    serve_when_down: SecondsOrNever = 60.0
    """Seconds for which a process serves its local entries as stale while a shared server can't be reached."""
    store_timeout: Seconds = 1.0
    """Seconds to wait for a shared server before it counts as unreachable."""
    local_bytes: Bytes = 32 * 1024 * 1024
    """Bytes of a shared store's entries that each process keeps in its own memory."""
    max_bytes: Bytes | None = None
    """The size at which the store evicts; None is 1 GiB, or 256 MiB in memory."""
    max_entry_bytes: Bytes = 16 * 1024 * 1024
    """The largest answer that is stored; a GET with a larger one is live."""
    max_data_bytes: Bytes = 2 * 1024 * 1024
    """The largest fetched answer or function result that is stored; a larger one is used but not stored."""
    max_fetch_bytes: Bytes = 32 * 1024 * 1024
    """The largest answer of an upstream that `fetch` reads, decoded; a larger one is an error."""
    max_query_variants: int = 100
    """How many answers of one path are kept for different queries, if the route has `cache_query` or
    `cache_query_body`."""
    max_query_body_bytes: Bytes = 16 * 1024
    """The largest content of a QUERY in a route with `cache_query_body`; a larger one is answered 413. A refresh that
    waits for its turn holds it, and thousands may wait."""
    no_vary_search: bool = True
    """Whether stored answers have No-Vary-Search, so that browsers and CDNs share them among URLs that differ in
    parameters of the query that aren't part of the key."""
    client_stale: bool = False
    """Whether the `stale` of lifetimes that data has been given is sent as `max-age`, for clients."""
    host: bool = False
    """Whether the request's host is part of the key of every static route, as with `cache_host = True` in each."""
    hosts: tuple[str, ...] = ()
    """The hosts that there are, for routes with `cache_host` that don't say it themselves; empty: any."""
    max_host_variants: int = 1000
    """How many answers of one path are kept for different hosts, if the route has `cache_host` and not all hosts are
    listed."""
    max_vary_variants: int = 100
    """How many answers of one path are kept for different values of `cache_vary`; more combinations aren't built."""
    codings: tuple[Coding, ...] = ("zstd", "br", "gzip")
    """Codings in which clients may get answers, where that saves 10 % or more, best first; [] for none."""
    across_builds: Literal["drop", "stale"] = "drop"
    """What becomes of an answer of a former build that this one hasn't rendered. "drop": it is never served. "stale":
    if nothing has changed that its route is made of, it is served as stale while it is rendered again."""
    render_timeout: SecondsOrNever = 60.0
    """Seconds after which a regeneration counts as failed."""
    max_overdue_renders: int = 10
    """How many regenerations may run on in threads after `render_timeout`; at that number, those of sync handlers fail.
    """
    refreshes_at_once: int = 8
    """How many stale answers a process renders again at a time, in the background, at most half of them of one route.
    The others are served stale until it is their turn, those that are asked for most first."""
    eager: Share = 0.0
    """The last share of a lifetime in which what is asked for again is refreshed already; 0: nothing is."""
    jitter: Share = 0.0
    """The largest share of a lifetime by which what is stored goes stale earlier, so that what was made together
    doesn't go stale together: 0.1 spreads a minute over its last 6 seconds."""
    soft_timeout: SecondsOrNever = math.inf
    """Seconds that a render waits for fresh data where stale data may be used; the data then arrives for the next one.
    """
    lease_seconds: Seconds = 10.0
    """How long a worker killed during a render can delay others that need the same entry; a running one renews."""

    @property
    def kind(self) -> str:
        """Which of `STORES` it is."""
        return "valkey" if is_store_url(self.store) else self.store

    def bytes_in(self, store: str) -> int:
        """The byte limit of a store of that kind."""
        return STORES[store] if self.max_bytes is None else self.max_bytes

    def problems(self) -> Iterator[str]:
        """What is wrong with the values."""
        yield from not_positive(
            {
                "cache.store_timeout": self.store_timeout,
                "cache.local_bytes": self.local_bytes,
                "cache.max_bytes": self.max_bytes,
                "cache.max_entry_bytes": self.max_entry_bytes,
                "cache.max_data_bytes": self.max_data_bytes,
                "cache.max_fetch_bytes": self.max_fetch_bytes,
                "cache.max_query_variants": self.max_query_variants,
                "cache.max_query_body_bytes": self.max_query_body_bytes,
                "cache.max_host_variants": self.max_host_variants,
                "cache.max_vary_variants": self.max_vary_variants,
                "cache.render_timeout": self.render_timeout,
                "cache.max_overdue_renders": self.max_overdue_renders,
                "cache.refreshes_at_once": self.refreshes_at_once,
                "cache.lease_seconds": self.lease_seconds,
            }
        )
        for name, seconds in (("serve_when_down", self.serve_when_down), ("soft_timeout", self.soft_timeout)):
            if seconds < 0:
                yield f'"cache.{name}" is {seconds}; it must be 0 or more.'
        yield from self._store_problems()
        yield from self._prefix_problems()
        try:
            self.route_defaults()
        except ValueError as error:
            yield f'"cache.hosts" takes {error}.'

    def route_defaults(self) -> dict[str, Any]:
        """The options of the segment config that hold for all routes that don't say them themselves.

        Raises:
            ValueError: a host isn't one.
        """
        host = {"cache_host": True} if self.host else {}
        return {**host, "hosts": parse_hosts(self.hosts)} if self.hosts else host

    def _store_problems(self) -> Iterator[str]:
        if self.kind != "valkey":
            if self.store not in _NAMED:
                yield f'"cache.store" is "{self.store}"; it must be {one_of(_NAMED)}, or a URL such as {EXAMPLES[0]}.'
            if self.password_env is not None:
                yield f'"cache.password_env" is for a shared server, but "cache.store" is "{self.store}".'
            return
        try:
            address = parse_store_url(self.store)
        except InvalidStoreUrl as error:
            # The value isn't shown: it may hold a password.
            yield f'"cache.store" is a URL that can\'t be used: {error}. It looks like {EXAMPLES[0]}.'
            return
        if address.password is not None and self.password_env is not None:
            yield '"cache.password_env" names a password, and the URL in "cache.store" has one; give one of them.'

    def _prefix_problems(self) -> Iterator[str]:
        prefix = self.prefix
        if prefix is None:
            return
        if not prefix or len(prefix) > _MAX_PREFIX or not prefix.isprintable() or set(prefix) & set("{} "):
            yield f'"cache.prefix" is "{prefix}"; it must be 1 to {_MAX_PREFIX} characters, no spaces, no braces.'
