"""The hit path: from a path as it was sent to the bytes of its answer, without routing, parsing or waiting.

It finds out nothing by itself. The dispatcher answers a path from the cache, by its rules; then the path is known
here, with the key that it led to, and the next request for the very same bytes takes the short way. Whether it may
is decided by the store and by `judge`, as ever; what they said holds while the store's `version` is the same.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from millpond.policy.decision import Reason
from millpond.policy.http.reply import ANYHOW, TELLING, Asked
from millpond.render.scopes.draft import DRAFT_COOKIE
from millpond.serve.prepared import PreparedEntry, VolatileHeadersTable, is_short
from millpond.serve.remembered import Remembered

if TYPE_CHECKING:
    import weakref
    from collections.abc import Iterable

    from starlette.types import Scope

    from millpond.cache.responses import Responses
    from millpond.config import ServerConfig
    from millpond.policy.decision import Decision
    from millpond.policy.entry import Entry
    from millpond.policy.http.surrogate import Surrogates
    from millpond.render.target import Target
    from millpond.serve.prepared import VolatileHeaders

access = logging.getLogger("millpond.access")

_MOST_PATHS, _MOST_PATH_BYTES = 16_384, 16 * 1024 * 1024
_LONGEST_PATH = 1024
_MOST_REQUESTS, _MOST_REQUEST_BYTES = 16_384, 16 * 1024 * 1024
_LONGEST_REQUEST = 2048
_OBJECT = 500
"""Bytes of what is remembered beside what the client chose."""
_MOST_COPIED = 16 * 1024 * 1024
"""Bytes of all answers that are kept as they went out."""
_DRAFT = DRAFT_COOKIE.encode("ascii")


class CachedPath:
    """What a path as it was sent led to."""

    __slots__ = ("heads", "key", "queried", "ready")

    def __init__(self, key: str, *, heads: bool, queried: bool) -> None:
        self.key = key
        self.heads = heads
        """Whether HEAD is answered like GET."""
        self.queried = queried
        """Whether the key depends on the query; then only requests without one are cached_path."""
        self.ready: PreparedEntry | None = None

    def forget(self, entry: weakref.ref[Entry]) -> None:
        """Nobody holds the entry any longer, so neither are its bytes held here."""
        ready = self.ready
        if ready is not None and ready.entry is entry:
            self.ready = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What went out for a request. It is right as long as there is nothing new to say."""

    mark: object
    """The entry's."""
    volatile: VolatileHeaders
    server: list[tuple[bytes, bytes]]
    """The headers that the server puts into each answer."""
    status: int
    data: bytes
    rest: bytes = b""


class Request:
    """A request that a hit may answer."""

    __slots__ = ("asked", "cached_path", "method", "path", "sent", "volatile")

    def __init__(self, cached_path: CachedPath, asked: Asked, method: str, path: bytes) -> None:
        self.cached_path, self.asked, self.method, self.path = cached_path, asked, method, path
        self.volatile: VolatileHeaders | None = None
        """When it was answered last."""
        self.sent: Sent | None = None
        """What went out, if that was short, and was wanted twice at one volatile: it is a copy."""


class Hits:
    """The known paths of one running application."""

    def __init__(self, responses: Responses, bounds: ServerConfig, surrogates: Surrogates | None = None) -> None:
        self._responses, self._store = responses, responses.store
        self.clock, self._version = responses.clock, responses.store.version
        self.bounds = bounds
        self.surrogates = surrogates
        """What caches in front are told; None where there are none."""
        self._volatile = VolatileHeadersTable(surrogates, self._forget_representations)
        self.at_socket = True
        """Whether the server may answer before the application is called: not with middleware in front of it."""
        self._cached_paths: Remembered[CachedPath] = Remembered(_MOST_PATHS, _MOST_PATH_BYTES)
        self._requests: Remembered[Request] = Remembered(_MOST_REQUESTS, _MOST_REQUEST_BYTES)
        self._copied = 0
        self.recall = self._requests.get
        """The request that a piece of data is, where that is remembered."""
        self.cached_path = self._cached_paths.get
        """The path's, up to and without `?`; None for one that hasn't been answered from the cache yet."""

    def learn(self, asgi: Scope, target: Target) -> None:
        """Remember what the path of a request led to that was answered from the cache."""
        path: bytes | None = asgi.get("raw_path")
        if asgi.get("root_path") or not path or len(path) > _LONGEST_PATH or path in self._cached_paths:
            return
        queried = bool(target.route.config.cache_query)
        if queried and asgi.get("query_string"):
            return
        cached_path = CachedPath(target.key, heads="HEAD" not in target.route.operations, queried=queried)
        self._cached_paths.keep(path, cached_path, len(path) + len(cached_path.key) + _OBJECT)

    def remember(self, data: bytes, request: Request) -> None:
        """Remember what a parser said of `data`: that it is `request`, and nothing besides."""
        if len(data) > _LONGEST_REQUEST:
            return
        self._requests.keep(data, request, len(data) + len(request.path) + _OBJECT)

    def copied(self, size: int) -> None:
        """Note that an answer of `size` bytes is kept as it went out; when that is too much, none is."""
        self._copied += size
        if self._copied > _MOST_COPIED:
            for request in self._requests.values():
                request.sent = None
            self._copied = size

    def _forget_representations(self) -> None:
        for cached_path in self._cached_paths.values():
            cached_path.ready = None

    def asked(self, asgi: Scope) -> tuple[CachedPath, Asked] | None:
        """What a request leads to, where its path is known and nothing in it speaks against a hit."""
        path: bytes = asgi.get("raw_path") or b""
        cached_path = self.cached_path(path)
        if cached_path is None or asgi.get("root_path"):
            return None
        method: str = asgi["method"]
        if method != "GET" and not (method == "HEAD" and cached_path.heads):
            return None
        query: bytes = asgi.get("query_string", b"")
        if query and (cached_path.queried or len(path) + len(query) > self.bounds.max_path_bytes):
            return None
        size, told = 0, False
        for name, value in asgi["headers"]:
            size += len(name) + len(value) + 4
            if name in TELLING:
                told = True
            elif name == b"cookie" and _DRAFT in value:
                return None
        if size > self.bounds.max_header_bytes:
            return None
        return cached_path, Asked.of(asgi["headers"]) if told else ANYHOW

    def ready(self, cached_path: CachedPath) -> PreparedEntry | None:
        """The answer, if it is at hand and fresh; never waits."""
        ready, now = cached_path.ready, self.clock()
        if (
            ready is not None
            and ready.version == self._version()
            and ready.since <= now - ready.rendered_at < ready.until
        ):
            return ready
        return self._judged(cached_path, now)

    def _judged(self, cached_path: CachedPath, now: float) -> PreparedEntry | None:
        """What is ready, once the store has been asked for the entry and it was found to be fresh."""
        # The numbers come first: what is written in between then shows as numbers that have gone on.
        version, generation = self._version(), self._store.generation()
        entry = self._store.peek(cached_path.key)
        if entry is None:
            return None
        ready = cached_path.ready
        if ready is None or ready.entry() is not entry:
            ready = (
                PreparedEntry(entry, cached_path.forget, self._volatile)
                if entry.backoff is None and is_short(entry.headers)
                else None
            )
        if ready is None or not (ready.still_fresh(generation, now) or self._is_fresh(entry, now)):
            return None
        ready.renew(entry, version, generation, now)
        cached_path.ready = ready
        return ready

    def _is_fresh(self, entry: Entry, now: float) -> bool:
        return self._responses.judge(entry, now).reason is Reason.FRESH


def log_access(method: str, path: str, status: int | None, decision: Decision | None, seconds: float) -> None:
    """One line for each request; `path` is decoded."""
    fields = {
        "method": method,
        "path": path,
        "status": status,
        "milliseconds": round(seconds * 1000, 2),
        "cache": decision.action.value if decision else None,
        "reason": decision.reason.value if decision else None,
    }
    access.info("%s %s %s", method, path, status or "-", extra={"fields": fields})


def size_of(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """What headers count, in bytes."""
    return sum(len(name) + len(value) + 4 for name, value in headers)


def decoded(path: bytes) -> str:
    """As the `path` of an ASGI scope."""
    return unquote(path.decode("ascii"))
