"""The hit path: from a path as it was sent to the bytes of its answer, without routing, parsing or waiting.

It finds out nothing by itself. The dispatcher answers a path from the cache, by its rules; then the path is known
here, with the key that it led to, and the next request for the very same bytes takes the short way. Whether it may
is decided by the store and by `judge`, as ever: the generation first, then the entry.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import unquote

from millpond.policy.decision import Action, Decision, Reason
from millpond.policy.reply import ANYHOW, TELLING, Asked
from millpond.render.request_api import DRAFT_COOKIE
from millpond.serve.ready import Answer, Ready, sendable

if TYPE_CHECKING:
    import weakref

    from starlette.types import Scope

    from millpond.cache.responses import Responses
    from millpond.config import ServerConfig
    from millpond.policy.entry import Entry
    from millpond.render.target import Target

access = logging.getLogger("millpond.access")

HIT = Decision(Action.HIT, Reason.FRESH)

_MOST_KNOWN = 16_384
"""Paths. A known one takes one to three kilobytes."""
_LONGEST_KNOWN = 1024
_DRAFT = DRAFT_COOKIE.encode("ascii")


class Known:
    """What a path as it was sent led to."""

    __slots__ = ("heads", "key", "queried", "ready")

    def __init__(self, key: str, *, heads: bool, queried: bool) -> None:
        self.key = key
        self.heads = heads
        """Whether HEAD is answered like GET."""
        self.queried = queried
        """Whether the key depends on the query; then only requests without one are known."""
        self.ready: Ready | None = None

    def forget(self, entry: weakref.ref[Entry]) -> None:
        """Nobody holds the entry any longer, so neither are its bytes held here."""
        ready = self.ready
        if ready is not None and ready.entry is entry:
            self.ready = None


class Hits:
    """The known paths of one running application."""

    def __init__(self, responses: Responses, bounds: ServerConfig) -> None:
        self._responses, self._store, self.clock = responses, responses.store, responses.clock
        self.bounds = bounds
        self._known: dict[bytes, Known] = {}
        self.known = self._known.get
        """The path's, up to and without `?`; None for one that hasn't been answered from the cache yet."""

    def learn(self, asgi: Scope, target: Target) -> None:
        """Remember what the path of a request led to that was answered from the cache."""
        path: bytes | None = asgi.get("raw_path")
        if asgi.get("root_path") or not path or len(path) > _LONGEST_KNOWN or path in self._known:
            return
        queried = bool(target.route.config.cache_query)
        if queried and asgi.get("query_string"):
            return
        if len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[path] = Known(target.key, heads="HEAD" not in target.route.operations, queried=queried)

    def of_request(self, asgi: Scope) -> tuple[Known, Asked] | None:
        """What an ASGI request asks for, where that is known and nothing in the request speaks against a hit."""
        known = self.known(asgi.get("raw_path", b""))
        if known is None or asgi.get("root_path"):
            return None
        if asgi["method"] != "GET" and not (asgi["method"] == "HEAD" and known.heads):
            return None
        query: bytes = asgi.get("query_string", b"")
        if query and (known.queried or len(asgi["raw_path"]) + len(query) > self.bounds.max_path_bytes):
            return None
        size, asked = 0, ANYHOW
        for name, value in asgi["headers"]:
            size += len(name) + len(value) + 4
            if name in TELLING:
                asked = Asked.of(asgi["headers"])
            elif name == b"cookie" and _DRAFT in value:
                return None
        return (known, asked) if size <= self.bounds.max_header_bytes else None

    def answer(self, known: Known, asked: Asked, now: float) -> tuple[Answer, Entry] | None:
        """The answer, if it is at hand and fresh; never waits."""
        # The counter comes first: an invalidation between the two then shows as a counter that has gone on.
        generation = self._store.generation()
        entry = self._store.peek(known.key)
        if entry is None:
            return None
        ready = known.ready
        if (
            ready is None
            or ready.entry() is not entry
            or ready.generation != generation
            or not ready.youngest <= now - entry.rendered_at <= ready.oldest
        ):
            ready = self._judged(known, entry, generation, now)
            if ready is None:
                return None
        return ready.answer(entry, asked, now), entry

    def _judged(self, known: Known, entry: Entry, generation: int, now: float) -> Ready | None:
        judgement = self._responses.judge(entry, now)
        if judgement.reason is not Reason.FRESH or entry.pause is not None:
            return None
        ready = known.ready
        if ready is not None and ready.entry() is entry:
            ready.generation = generation
            return ready
        known.ready = Ready(entry, generation, known.forget) if sendable(entry.headers) else None
        return known.ready


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


def decoded(path: bytes) -> str:
    """As the `path` of an ASGI scope."""
    return unquote(path.decode("ascii"))
