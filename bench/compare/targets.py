"""What Millpond is meant to reach, as ratios within one run, and whether it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results import Results


_KEYED = {"host": "cache_host", "vary": "cache_vary and a cookie", "asgi-vary": "cache_vary and a cookie, through ASGI"}
"""What the case of hits with more in their keys compares."""


class Target(NamedTuple):
    """One promise, and the figure of this run; None where what it needs wasn't measured."""

    text: str
    limit: float
    measured: float | None
    at_least: bool = False
    """Whether more is better."""

    @property
    def met(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def targets(results: Results) -> Iterator[Target]:
    """All of them, in the order of the table."""
    yield Target("a hit, by nginx `return`", 1.4, _ratio(results, "hits", "millpond", "nginx-return"))
    yield Target("a hit, by nginx proxy_cache", 0.75, _ratio(results, "hits", "millpond", "nginx-proxy"))
    yield Target("a hit, by `next start`", 1 / 50, _ratio(results, "hits", "millpond", "next"))
    yield Target(
        "a hit with a browser's headers, by a plain one", 1.3, _ratio(results, "browser", "millpond", "millpond-plain")
    )
    for name, plain in (("host", "plain"), ("vary", "cookie"), ("asgi-vary", "asgi-cookie")):
        ratio = _ratio(results, "variants", f"millpond-{name}", f"millpond-{plain}")
        yield Target(f"a hit with {_KEYED[name]}, by a plain one", 1.15, ratio)
    yield Target("a hit with CORS, by a plain one", 1.2, _ratio(results, "cors", "millpond-cors", "millpond-plain"))
    yield Target(
        "a hit, both with an access log, by nginx `return`", 1.4, _ratio(results, "log", "millpond-log", "nginx-log")
    )
    yield Target("a hit with the access log, by one without", 1.5, _ratio(results, "log", "millpond-log", "millpond"))
    yield Target(
        "a hit with counters, by one without", 1.03, _ratio(results, "counters", "millpond", "millpond-uncounted")
    )
    yield Target(
        "a hit on 10,000 paths at random, by one path", 1.5, _ratio(results, "keys", "millpond", "millpond-one")
    )
    yield Target("a 304, by a hit", 1.0, _ratio(results, "304", "millpond", "millpond-hit"))
    yield Target("p99 of hits, by nginx `return`", 2.0, _slowest(results))
    yield Target(
        "a hit through ASGI, by a constant ASGI app", 1.05, _ratio(results, "hits", "millpond-asgi", "raw-asgi")
    )
    yield Target("a live answer, by Next's", 1 / 5, _ratio(results, "live", "millpond", "next"))
    yield Target("a live answer, by FastAPI's ready Response", 1.0, _ratio(results, "live", "millpond", "fastapi-raw"))
    yield Target("memory of a worker after load, by Next's", 0.5, _memory(results, "loaded"))
    yield Target("the same with thousands of answers stored", 0.5, _memory(results, "full"))
    yield Target("seconds to the first answer, one route, by FastAPI's", 1.0, _first_answer(results))
    yield Target("seconds that 1,000 routes start later than one", 0.1, _later(results, "1000"))
    yield Target("seconds that 10,000 routes start later than one", 0.5, _later(results, "10000"))
    yield Target("trivial pages prerendered per second and core", 2000, _pages(results), at_least=True)


def _ratio(results: Results, case: str, one: str, other: str) -> float | None:
    found = results.cases.get(case)
    if found is None:
        return None
    ours, theirs = found.cpu(one), found.cpu(other)
    return ours / theirs if ours is not None and theirs else None


def _slowest(results: Results) -> float | None:
    found = results.cases.get("hits")
    ours, theirs = (found.row("millpond"), found.row("nginx-return")) if found else (None, None)
    return ours.p99_ms / theirs.p99_ms if ours and theirs else None


def _memory(results: Results, when: str) -> float | None:
    ours, theirs = results.memory.get("millpond"), results.memory.get("next")
    return ours[when] / theirs[when] if ours and theirs else None


def _first_answer(results: Results) -> float | None:
    ours, theirs = (results.start_up.get(peer, {}).get("1") for peer in ("millpond", "fastapi"))
    return ours["seconds"] / theirs["seconds"] if ours and theirs else None


def _later(results: Results, routes: str) -> float | None:
    ours = results.start_up.get("millpond", {})
    return ours[routes]["seconds"] - ours["1"]["seconds"] if {"1", routes} <= set(ours) else None


def _pages(results: Results) -> float | None:
    ours = results.builds.get("millpond")
    return (ours["pages"] - 1) / (ours["all_cpu"] - ours["one_cpu"]) if ours else None
