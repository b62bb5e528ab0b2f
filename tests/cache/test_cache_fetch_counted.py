"""Requests that fetch() sends and runs of cached functions, as they count."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx2
import pytest
from upstreams import upstream

from millpond.cache.fetching.upstream_calls import MOST_HOSTS, UpstreamCalls
from millpond.telemetry.counters import OTHER, Counters, Spread
from millpond.telemetry.instruments import FUNCTION_FILLS, UPSTREAM_CALLS

if TYPE_CHECKING:
    from millpond.telemetry.instruments import Instrument
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

LIVE = """
from millpond import fetch
dynamic = "force-dynamic"
URL, GIVEN = "", {}
async def GET():
    try:
        return (await fetch(URL, **GIVEN)).text
    except Exception as error:
        return type(error).__name__
"""
STREAMED = """
from millpond import fetch
dynamic = "force-dynamic"
URL = ""
async def GET():
    async with fetch.stream(URL) as answer:
        return [piece.decode() async for piece in answer.aiter_bytes()]
"""
FUNCTIONS = """
import asyncio
from millpond import cached
dynamic = "force-dynamic"
@cached(revalidate=60)
async def stock(fails: bool):
    if fails:
        raise ValueError("none")
    return 1
@cached(revalidate=60)
def price(number: int):
    return number
async def GET(kind: str):
    if kind == "fails":
        try:
            return await stock(True)
        except ValueError:
            return "none"
    return await stock(False) if kind == "stock" else await asyncio.to_thread(price, 3)
"""


def counts(running: Running, instrument: Instrument) -> dict[tuple[str, ...], int]:
    """How often each was observed."""
    counting = running.pond._counting
    assert counting is not None
    return {
        series.values: value.number
        for series, value in counting.counters.counted().items()
        if series.name == instrument.name and isinstance(value, Spread)
    }


async def test_each_request_to_an_upstream_counts_once_and_hits_of_the_cache_do_not(project: Project) -> None:
    project.routes({"/": LIVE, "/own": "async def GET(): return 1", "/stream": STREAMED})
    async with upstream() as source, project.started() as running:
        module = running.module("/")
        module.URL, module.GIVEN = f"{source.url}/x?token=secret", {"cache": "force-cache"}
        for _ in range(3):
            await running.get("/")
        source.status = 503
        module.URL, module.GIVEN = f"{source.url}/y", {"method": "POST"}
        await running.get("/")
        module.URL = "/own"
        await running.get("/")
        source.status = 200
        running.module("/stream").URL = f"{source.url}/z"
        await running.get("/stream")
        assert counts(running, UPSTREAM_CALLS) == {
            ("127.0.0.1", "GET", "200"): 2,
            ("127.0.0.1", "POST", "503"): 1,
        }


async def test_a_redirect_and_each_retry_are_requests_of_their_own(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        module = running.module("/")
        source.redirects["/old"] = f"{source.url}/new"
        module.URL = f"{source.url}/old"
        await running.get("/")
        source.hangs_up = True
        module.URL, module.GIVEN = f"{source.url}/gone", {"retries": 1}
        assert await running.body("/") == '"RemoteProtocolError"'
        assert counts(running, UPSTREAM_CALLS) == {
            ("127.0.0.1", "GET", "302"): 1,
            ("127.0.0.1", "GET", "200"): 1,
            ("127.0.0.1", "GET", "RemoteProtocolError"): 2,
        }


async def test_a_redirect_of_the_application_to_another_host_is_a_request_to_that(project: Project) -> None:
    moved = "from millpond import redirect\ndynamic = 'force-dynamic'\nURL = ''\ndef GET(): redirect(URL)\n"
    project.routes({"/": LIVE, "/moved": moved})
    async with upstream() as source, project.started() as running:
        running.module("/moved").URL = f"{source.url}/new"
        running.module("/").URL = "/moved"
        assert await running.body("/") == '"/new 1"'
        assert counts(running, UPSTREAM_CALLS) == {("127.0.0.1", "GET", "200"): 1}


async def test_an_upstream_that_does_not_answer_in_time_counts_as_cancelled(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        source.open.clear()
        module = running.module("/")
        module.URL, module.GIVEN = source.url, {"timeout": 0.05}
        assert await running.body("/") == '"ReadTimeout"'
        source.open.set()
        [(values, number)] = counts(running, UPSTREAM_CALLS).items()
    assert values in {("127.0.0.1", "GET", "cancelled"), ("127.0.0.1", "GET", "ReadTimeout")}
    assert number == 1


async def test_hosts_methods_and_statuses_that_others_choose_are_bounded() -> None:
    counters = Counters()
    calls = UpstreamCalls(counters)
    for number in range(3 * MOST_HOSTS):
        with calls.call(httpx2.Request("GET", f"https://user:secret@{number}.example/?key=secret")) as called:
            called.status = 200
    with calls.call(httpx2.Request("EVIL", "https://0.example/")) as called:
        called.status = 999
    with pytest.raises(ZeroDivisionError), calls.call(httpx2.Request("GET", "https://0.example/")):
        raise ZeroDivisionError
    seen = {series.values for series in counters.counted()}
    assert len({host for host, _, _ in seen}) == MOST_HOSTS + 1
    assert ("0.example", OTHER, OTHER) in seen
    assert ("0.example", "GET", OTHER) in seen
    assert "secret" not in str(seen)


async def test_runs_of_cached_functions_count_and_hits_do_not(project: Project) -> None:
    project.routes({"/[kind]": FUNCTIONS})
    async with project.started() as running:
        for kind in ("stock", "stock", "fails", "price", "price"):
            await running.get(f"/{kind}")
        found = {
            (name.rpartition(".")[2], outcome): n for (name, outcome), n in counts(running, FUNCTION_FILLS).items()
        }
    assert found == {("stock", "ok"): 1, ("stock", "failed"): 1, ("price", "ok"): 1}


async def test_callers_that_share_a_run_count_as_one(project: Project) -> None:
    project.routes({"/[kind]": FUNCTIONS})
    async with project.started() as running:
        await asyncio.gather(*(running.get("/stock") for _ in range(5)))
        assert list(counts(running, FUNCTION_FILLS).values()) == [1]
