"""The hit path: from a path as it was sent to the bytes of its answer, without routing, parsing or waiting.

The dispatcher answers a path from the cache for the first time, and `learn` remembers the key that the path led to. The
next request for the same path finds the entry by that key. The store and `Responses.judge` decide whether it is fresh;
their decision holds as long as the store's `version` doesn't change.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from millpond.policy.decision import Reason
from millpond.policy.draft_mode import DRAFT_COOKIE_BYTES
from millpond.policy.freshness import is_invalidated
from millpond.policy.http.header_size import FIELD_OVERHEAD
from millpond.policy.http.reply import NEGOTIATION_HEADERS, NO_NEGOTIATION, Negotiation
from millpond.serve.configured.path_headers import PathHeaders
from millpond.serve.matching.base_path import sent_path
from millpond.serve.prepared import HIT, PreparedEntry, VolatileHeadersTable, is_short
from millpond.serve.route_claims import RouteClaims
from millpond.stores.bounded_dict import BoundedDict

if TYPE_CHECKING:
    import weakref
    from collections.abc import Callable, Sequence

    from starlette.types import Scope

    from millpond.cache.responses import Responses
    from millpond.config import ServerConfig
    from millpond.policy.entry import Entry, Headers
    from millpond.policy.http.surrogate import Surrogates
    from millpond.policy.variants.variation import Selection
    from millpond.render.target import Target
    from millpond.routes.route_contract import ToldRoute
    from millpond.serve.access.access_log import LoggedHit
    from millpond.serve.access.asked import Asked
    from millpond.serve.configured.configured_answers import ConfiguredAnswers
    from millpond.serve.configured.cors import Cors
    from millpond.serve.prepared import VolatileHeaders
    from millpond.telemetry.counters import Tally
    from millpond.telemetry.request_counts import RequestCounts

CHECK_INTERVAL = 1.0
"""Seconds between two looks at whether anything, such as a tracer, observes requests."""

_MAX_PATHS, _MAX_PATHS_BYTES = 16_384, 16 * 1024 * 1024
_MAX_PATH_BYTES = 1024
_MAX_REQUESTS, _MAX_REQUESTS_BYTES = 16_384, 16 * 1024 * 1024
_MAX_REQUEST_BYTES = 2048
_MAX_SELECTED_BYTES = 512
"""Bytes of what selects an answer of a path; clients choose them."""
_OVERHEAD = 500
"""What a path or a request takes in memory, besides its own bytes."""
_MAX_COPIED_BYTES = 16 * 1024 * 1024
"""Bytes of all answers that are kept as they were sent."""


class CachedPath:
    """A path as it was sent, which was answered from the cache."""

    __slots__ = ("_told", "added", "heads", "key", "path", "prepared", "queried", "selection", "tally", "target")

    def __init__(
        self, target: Target, path: str, *, heads: bool, queried: bool, added: PathHeaders | None = None
    ) -> None:
        self.target = target
        self.selection: Selection | None = None
        """What of a request selects one of the path's answers, which are remembered by it; None: it has one."""
        self.key = target.key
        self.path = path
        """Decoded, as middleware may have rewritten it: where it is another one now, the answer is another path's."""
        self._told: ToldRoute | None = None
        self.heads = heads
        """Whether HEAD is answered like GET."""
        self.queried = queried
        """Whether the key depends on the query; then only requests without a query can be hits."""
        self.added = added
        """What is done to the headers at the socket, in place of the layers around the application."""
        self.prepared: PreparedEntry | None = None
        self.tally: tuple[int, Tally] | None = None
        """The status with which it was answered last, and how often such hits were."""

    @property
    def told(self) -> ToldRoute:
        """What the scope of a request says about the route; at the socket nobody asks."""
        told = self._told
        if told is None:
            told = self._told = self.target.route.operations["GET"].told
        return told

    @classmethod
    def varied(cls, target: Target, path: str, selection: Selection, *, heads: bool, queried: bool) -> CachedPath:
        """A path whose answer depends on more than itself. It is no hit, but leads to those that are."""
        cached_path = cls(target, path, heads=heads, queried=queried)
        cached_path.selection = selection
        cached_path.retire()
        return cached_path

    def retire(self) -> None:
        """From now on no request is a hit by this, also one that was parsed or remembered before."""
        self.key, self.prepared = "", None  # nothing is stored under this key

    def forget(self, entry: weakref.ref[Entry]) -> None:
        """The entry was freed, so its prepared bytes are, too."""
        prepared = self.prepared
        if prepared is not None and prepared.entry is entry:
            self.prepared = None


class Sent:
    """What was sent for a request. It can be sent again while the entry and all headers are the same."""

    __slots__ = ("data", "mark", "rest", "server", "size", "status", "volatile")

    def __init__(
        self,
        prepared: PreparedEntry,
        server: list[tuple[bytes, bytes]],
        status: int,
        size: int,
        data: bytes,
        rest: bytes = b"",
    ) -> None:
        self.mark = prepared.mark
        """Of the entry."""
        self.volatile = prepared.volatile
        self.server = server
        """The headers that the server adds to each answer."""
        self.status = status
        self.size = size
        """Bytes of the body."""
        self.data, self.rest = data, rest


class HitRequest:
    """A request that a hit may answer."""

    __slots__ = (
        *("asked", "cached_path", "forwarded", "logged", "method", "negotiation", "origin", "path", "sent"),
        *("times", "volatile"),
    )

    def __init__(
        self,
        cached_path: CachedPath,
        negotiation: Negotiation,
        method: str,
        path: bytes,
        origin: bytes | None = None,
    ) -> None:
        self.cached_path, self.negotiation, self.method, self.path = cached_path, negotiation, method, path
        self.origin = origin
        """The first Origin header, where it makes a difference."""
        self.asked: Asked | None = None
        """The request as it is logged, without its client; None where it wasn't when it was parsed."""
        self.logged: LoggedHit | None = None
        """How it was logged when it was answered last."""
        self.forwarded = b""
        """The X-Forwarded-For headers, where proxies are trusted."""
        self.volatile: VolatileHeaders | None = None
        """Of the last answer."""
        self.times = 0
        """How often it was answered with the same volatile headers."""
        self.sent: Sent | None = None
        """What was sent, if it is short and was asked for often within a second: it copies the body."""


class Hits:
    """The paths of one running application that were answered from the cache."""

    def __init__(
        self,
        responses: Responses,
        bounds: ServerConfig,
        surrogates: Surrogates | None = None,
        root_path: str = "",
        configured: ConfiguredAnswers | None = None,
        claims: RouteClaims | None = None,
        counts: RequestCounts | None = None,
    ) -> None:
        self._responses, self._store = responses, responses.store
        self.clock, self._version = responses.clock, responses.store.version
        self.bounds = bounds
        self.root_path = root_path
        """The prefix that every path of the application has; with another one, no request is a hit."""
        self.surrogates = surrogates
        """Makes the headers for caches in front; None where there are none."""
        self._volatile = VolatileHeadersTable(surrogates, self._forget_representations)
        self._configured = configured
        self.claims = claims or RouteClaims(says_query=False)
        self.counts = counts
        """Where requests that the server answers count; None: nowhere."""
        self._cors: Cors | None = None
        self.is_unseen: Callable[[], bool] = lambda: True
        """Whether nothing in front of the application, such as middleware or a tracer, has to see its requests; what
        `recognise` was told of needn't."""
        self._at_socket, self._looks_again = True, 0.0
        self.has_socket = False
        """Whether Millpond's own server has these, so that nobody wraps the application."""
        self._cached_paths: BoundedDict[bytes, CachedPath] = BoundedDict(_MAX_PATHS, _MAX_PATHS_BYTES)
        self._rewritten: BoundedDict[tuple[bytes, str], CachedPath] = BoundedDict(_MAX_PATHS, _MAX_PATHS_BYTES)
        """Of requests whose path middleware has rewritten, by `raw_path` and `path`; the socket doesn't know them."""
        self._requests: BoundedDict[bytes, HitRequest] = BoundedDict(_MAX_REQUESTS, _MAX_REQUESTS_BYTES)
        self._variants: BoundedDict[tuple[bytes, Headers], CachedPath] = BoundedDict(_MAX_PATHS, _MAX_PATHS_BYTES)
        """Those of paths with several answers, by what selects them."""
        self._copied_bytes = 0
        self.recall = self._requests.get
        """The request that a piece of data was parsed to; None if it isn't remembered."""
        self.cached_path = self._cached_paths.get
        """The CachedPath of a path without its query; None if it wasn't answered from the cache yet."""

    @property
    def at_socket(self) -> bool:
        """Whether the server may answer hits without calling the application. Looked at again each second."""
        now = time.monotonic()
        if now >= self._looks_again:
            self._at_socket, self._looks_again = self.is_unseen(), now + CHECK_INTERVAL
        return self._at_socket

    def learn(self, asgi: Scope, target: Target) -> None:
        """Remember the path of a request that was answered from the cache."""
        path: bytes | None = asgi.get("raw_path")
        if not path or asgi.get("root_path", "") != self.root_path or len(path) > _MAX_PATH_BYTES:
            return
        if sent_path(asgi) != path:
            if target.variant is None:
                self._learn_rewritten(path, asgi, target)
            return
        if path in self._cached_paths and target.variant is None:
            return
        queried = bool(target.route.cache_query)
        if queried and asgi.get("query_string"):
            return
        added = PathHeaders.of((), () if self._cors is None else (self._cors,))
        if self._configured is not None:
            if self._configured.is_moved(asgi):
                return  # an own fetch, which no redirect concerns
            added = self._configured.headers_of(asgi, self._cors)
        heads = target.route.method_for("HEAD") == "GET"
        cached_path = CachedPath(target, asgi["path"], heads=heads, queried=queried, added=added)
        size = len(path) + len(cached_path.key) + _OVERHEAD
        variation = target.route.variation
        if target.variant is None or variation is None:
            self._cached_paths.keep(path, cached_path, size)
        else:
            self._learn_variant(path, asgi, cached_path, variation.selection, size)

    def _learn_variant(
        self, path: bytes, asgi: Scope, cached_path: CachedPath, selection: Selection, size: int
    ) -> None:
        selected = selection.of(asgi["headers"])
        chosen = sum(len(name) + len(value) for name, value in selected)
        if chosen > _MAX_SELECTED_BYTES:
            return
        if path not in self._cached_paths:
            target, heads, queried = cached_path.target, cached_path.heads, cached_path.queried
            varied = CachedPath.varied(target, cached_path.path, selection, heads=heads, queried=queried)
            self._cached_paths.keep(path, varied, len(path) + _OVERHEAD)
        self._variants.keep((path, selected), cached_path, size + chosen)

    def variant(self, path: bytes, selection: Selection, headers: Sequence[tuple[bytes, bytes]]) -> CachedPath | None:
        """The answer of a path that a request selects; None: it wasn't given from the cache yet.

        Args:
            path: without its query.
            selection: of the path.
            headers: of the request; names are lower case.
        """
        return self._variants.get((path, selection.of(headers)))

    def _learn_rewritten(self, path: bytes, asgi: Scope, target: Target) -> None:
        """As `learn`, of a request whose path middleware has rewritten: the same path as sent may lead elsewhere, too.

        So it is never known by the path as it was sent alone, and only what is inside of the middleware asks for it.
        """
        shown: str = asgi["path"]
        queried = bool(target.route.cache_query)
        if len(shown) > _MAX_PATH_BYTES or (path, shown) in self._rewritten or (queried and asgi.get("query_string")):
            return
        heads = target.route.method_for("HEAD") == "GET"
        cached_path = CachedPath(target, shown, heads=heads, queried=queried)
        size = len(path) + len(shown) + len(cached_path.key) + _OVERHEAD
        self._rewritten.keep((path, shown), cached_path, size)

    def count(self, cached_path: CachedPath, status: int) -> None:
        """Count a hit. The next one with that status is one addition to the path's tally."""
        if self.counts is not None:
            tally = self.counts.tally(cached_path.target.route.pattern, status, HIT)
            tally.count += 1
            cached_path.tally = status, tally

    def recognise(self, cors: Cors | None) -> None:
        """Answer at the socket as the application's only middleware does; None: there is none, or others, too."""
        if cors != self._cors:
            self._cors = cors
            self.unlearn()

    def leave_socket(self) -> None:
        """From now on the application is called for hits, too: each answer is to end its connection."""
        self.is_unseen, self._looks_again = (lambda: False), 0.0

    def unlearn(self) -> None:
        """Forget all paths: another route may answer them now."""
        for path, cached_path in list(self._cached_paths.items()):
            cached_path.retire()
            self._cached_paths.forget(path)
        for both, cached_path in list(self._rewritten.items()):
            cached_path.retire()
            self._rewritten.forget(both)
        for selected, cached_path in list(self._variants.items()):
            cached_path.retire()
            self._variants.forget(selected)

    def remember(self, data: bytes, request: HitRequest) -> None:
        """Remember that the parser found `data` to be `request` and nothing else."""
        if len(data) > _MAX_REQUEST_BYTES:
            return
        self._requests.keep(data, request, len(data) + len(request.path) + _OVERHEAD)

    def count_copied(self, size: int) -> None:
        """Count an answer of `size` bytes that is kept as it was sent; when all of them take too much, drop them."""
        self._copied_bytes += size
        if self._copied_bytes > _MAX_COPIED_BYTES:
            for request in self._requests.values():
                request.sent = None
            self._copied_bytes = size

    def _forget_representations(self) -> None:
        for cached_path in (*self._cached_paths.values(), *self._rewritten.values(), *self._variants.values()):
            cached_path.prepared = None

    def lookup(self, asgi: Scope) -> tuple[CachedPath, Negotiation] | None:
        """The CachedPath of a request and what it negotiates; None where a hit can't answer it."""
        path: bytes = asgi.get("raw_path") or b""
        cached_path = self.cached_path(path)
        if cached_path is None or cached_path.path != asgi["path"]:
            cached_path = self._rewritten.get((path, asgi["path"]))
        if cached_path is None or asgi.get("root_path", "") != self.root_path:
            return None
        method: str = asgi["method"]
        if method != "GET" and not (method == "HEAD" and cached_path.heads):
            return None
        query: bytes = asgi.get("query_string", b"")
        if query and (cached_path.queried or len(path) + len(query) > self.bounds.max_path_bytes):
            return None
        size, negotiates = 0, False
        for name, value in asgi["headers"]:
            size += len(name) + len(value) + FIELD_OVERHEAD
            if name in NEGOTIATION_HEADERS:
                negotiates = True
            elif name == b"cookie" and DRAFT_COOKIE_BYTES in value:
                return None
        if size > self.bounds.max_header_bytes:
            return None
        if cached_path.selection is not None:
            cached_path = self.variant(path, cached_path.selection, asgi["headers"])
            if cached_path is None:
                return None
        return cached_path, Negotiation.of(asgi["headers"]) if negotiates else NO_NEGOTIATION

    def prepared(self, cached_path: CachedPath) -> PreparedEntry | None:
        """The prepared entry, if it is in this process and fresh; never waits."""
        prepared, now = cached_path.prepared, self.clock()
        if (
            prepared is not None
            and prepared.version == self._version()
            and prepared.since <= now - prepared.rendered_at < prepared.until
        ):
            return prepared
        return self._prepare_anew(cached_path, now)

    def _prepare_anew(self, cached_path: CachedPath, now: float) -> PreparedEntry | None:
        """The prepared entry, once the store gave the entry and it was judged to be fresh."""
        # These come before the entry: a write in between then shows as a newer version.
        version, generation = self._version(), self._store.generation()
        entry = self._store.peek(cached_path.key)
        if entry is None:
            return None
        prepared = cached_path.prepared
        if prepared is not None and prepared.entry() is entry and prepared.is_young(now):
            # It was judged before. Since then only a tag of its own can have made it stale.
            is_fresh = generation == prepared.generation or not is_invalidated(entry, now, self._store.row)
        elif is_short(entry.headers):
            claims, eager = self.claims.of(cached_path.target.route), self._responses.eager
            prepared = PreparedEntry(entry, cached_path.forget, self._volatile, self._responses.coded, claims, eager)
            is_fresh = self._responses.judge(entry).reason is Reason.FRESH
        else:
            return None
        if not is_fresh:
            return None
        prepared.renew(entry, version, generation, now)
        if prepared.is_due(now) and not self._responses.ahead(cached_path.target, entry):
            prepared.until = prepared.since  # the next hit is to be seen, too
        cached_path.prepared = prepared
        return prepared
