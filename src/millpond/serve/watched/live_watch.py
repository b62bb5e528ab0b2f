"""Counts, for advice, what live GETs read of the request, and how many of them are equal to another.

All GETs are compared with those that run at the same time, by their path and query. What is read is noted of a sample:
of the first ones of each route, and of some later ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from starlette.requests import Request

from millpond.telemetry.instruments import LIVE_EQUAL, LIVE_READS, LIVE_SAMPLED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Scope

    from millpond.render.scopes.live_scope import LiveScope
    from millpond.telemetry.counters import Counters, Tally

ALL_OF_FIRST, LATER_ONES = 128, 63
"""The first runs of a route in a process are sampled; then one of 64 (the mask of a number's last bits)."""
_MOST_READS = 24
"""Names of one route. What code reads may come from the request, so that there is no end of names."""
_LONGEST_READ = 60
_REMEMBERED = 256
"""Digests of the last sampled requests of one route."""
_PERSONAL = (b"accept-language", b"authorization", b"cookie", b"host")
"""Headers by which answers to the same path and query usually differ."""

_Headers: TypeAlias = "Iterable[tuple[bytes, bytes]]"
LiveGet: TypeAlias = "tuple[_WatchedRoute, tuple[bytes, bytes], _Headers, LiveScope]"
"""One that is under way: its route, its path and query, its headers and its scope; a plain tuple costs the least."""

TOGETHER, AGAIN, OTHER_READS = "together", "again", "_OTHER"


class _WatchedRoute:
    """What is known of one route in this process."""

    __slots__ = ("again", "lately", "name", "reads", "running", "runs", "sampled", "together")

    def __init__(self, counters: Counters, name: str) -> None:
        self.name, self.runs = name, 0
        self.running: dict[tuple[bytes, bytes], Iterable[tuple[bytes, bytes]]] = {}
        """The headers of those that run, by path and query."""
        self.lately: dict[int, None] = {}
        self.reads: dict[str, Tally] = {}
        self.sampled = counters.tally(LIVE_SAMPLED, name)
        self.together = counters.tally(LIVE_EQUAL, name, TOGETHER)
        self.again = counters.tally(LIVE_EQUAL, name, AGAIN)


class LiveWatch:
    """Watches the live GETs of one application.

    Args:
        counters: where they count.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._routes: dict[str, _WatchedRoute] = {}

    def begun(self, asgi: Scope, scope: LiveScope, route: str) -> LiveGet:
        """A GET begins; its ASGI scope is the client's yet."""
        watched = self._routes.get(route)
        if watched is None:
            watched = self._routes[route] = _WatchedRoute(self._counters, route)
        runs = watched.runs = watched.runs + 1
        asked = asgi.get("raw_path") or asgi["path"].encode("utf-8", "replace"), asgi["query_string"]
        running, headers = watched.running, asgi["headers"]
        other = running.get(asked)
        if other is None:
            running[asked] = headers
        elif _personal(other) == _personal(headers):
            watched.together.count += 1
        if runs <= ALL_OF_FIRST or not runs & LATER_ONES:
            scope.reads = set()
        return watched, asked, headers, scope

    def ended(self, running: LiveGet) -> None:
        """It has ended."""
        watched, asked, headers, scope = running
        watched.running.pop(asked, None)
        if scope.reads is None:
            return
        watched.sampled.count += 1
        digest = _digest(asked, headers, scope.reads)
        if digest is not None:
            if digest in watched.lately:
                watched.again.count += 1
            elif len(watched.lately) >= _REMEMBERED:
                del watched.lately[next(iter(watched.lately))]
            watched.lately[digest] = None
        for read in scope.reads:
            tally = watched.reads.get(read)
            if tally is None:
                named = read[:_LONGEST_READ] if len(watched.reads) < _MOST_READS else OTHER_READS
                tally = self._counters.tally(LIVE_READS, watched.name, named)
                if named != OTHER_READS:
                    watched.reads[read] = tally
            tally.count += 1


def _digest(asked: tuple[bytes, bytes], headers: Iterable[tuple[bytes, bytes]], reads: Iterable[str]) -> int | None:
    """Of the path, the query and the values that were read; None: more was read than values, or none was there."""
    values: list[object] = []
    path, query = asked
    for read in sorted(reads):
        group, _, name = read.partition(" ")
        if group == "header" and name:
            values += [value for each, value in headers if each == name.encode("utf-8", "replace")] or [None]
        elif group == "cookie" and name:
            values.append(Request({"type": "http", "headers": headers}).cookies.get(name))
        elif group != "query":
            return None
    if values and not any(values):
        return None
    return hash((path, query if any(read.startswith("query") for read in reads) else b"", tuple(values)))


def _personal(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name, value) for name, value in headers if name in _PERSONAL)
