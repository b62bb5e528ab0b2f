"""Spans of what happens inside: fetches, cached functions, the store, waits for leases, purges."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from twins import pond

from millpond.app.events.event_log import EventLog
from millpond.purge.delivery import SentPurge
from millpond.purge.purger import PurgeOutcome
from millpond.stores.memory import MemoryStore
from millpond.telemetry.counting import Counting
from millpond.telemetry.spans import Spans
from ponds import Running, client_of
from telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from millpond.policy.entry import Entry
    from millpond.stores.contract import Lease
    from ponds import Project

pytestmark = pytest.mark.anyio

SECRET = "a-very-secret-token"
ROUTES = {
    "/prices": """
from millpond import cache_tag, fetch
dynamic = "force-dynamic"
URL, GIVEN = "", {}
async def GET():
    try:
        return (await fetch(URL, **GIVEN)).text
    except Exception as error:
        return type(error).__name__
""",
    "/stock": """
from millpond import cached
dynamic = "force-dynamic"
@cached(revalidate=60, tags=["stock"])
async def stock(token: str):
    return 1
@cached(revalidate=60)
def price(number: int):
    if number < 0:
        raise ValueError("no price for a-very-secret-token")
    return number
async def GET():
    return await stock("a-very-secret-token")
def PUT():
    return price(1)
def DELETE():
    return price(-1)
""",
    "/page": "revalidate = 60\nasync def GET(): return 1\n",
    "/fails": "revalidate = 60\nimport os\ndef GET(): raise ValueError('no: ' + os.environ['TOKEN'])\n",
}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
    await writer.drain()
    writer.close()


@asynccontextmanager
async def upstream() -> AsyncIterator[str]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


@asynccontextmanager
async def started(project: Project, telemetry: Telemetry, **options: Any) -> AsyncIterator[Running]:
    app = pond(project.folder, ROUTES, clock=project.clock, telemetry=telemetry.providers, **options)
    async with app.lifespan(), client_of(app) as client:
        yield Running(app, client)


def inner(telemetry: Telemetry) -> dict[str, ReadableSpan]:
    """By name."""
    return {span.name: span for span in own(telemetry.spans())}


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def own(spans: list[ReadableSpan]) -> list[ReadableSpan]:
    """Millpond's, as FastAPI has some within a request, too."""
    return [span for span in spans if span.instrumentation_scope and span.instrumentation_scope.name == "millpond"]


def linked(span: ReadableSpan) -> list[int]:
    """The traces that caused it."""
    return [link.context.trace_id for link in span.links]


def trace_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id


async def test_a_cached_fetch_is_linked_to_its_request_and_has_the_request_to_the_upstream_below_it(
    project: Project, telemetry: Telemetry
) -> None:
    async with upstream() as url, started(project, telemetry) as running:
        module = running.module("/prices")
        module.URL, module.GIVEN = f"{url}/x?key={SECRET}", {"revalidate": 60, "tags": ["prices"]}
        await running.get("/prices")
        spans = telemetry.spans()
        await running.get("/prices")
        assert own(telemetry.spans()) == []  # a hit has no span
    [server] = [span for span in spans if span.kind is SpanKind.SERVER]
    named = {span.name: span for span in spans}
    fill, fetch = named["fill fetch"], named["fetch"]
    assert (fill.parent, linked(fill)) == (None, [trace_of(server)])
    assert fetch.parent is not None
    assert trace_of(fetch) == trace_of(fill)
    assert attributes(fetch) == {
        "server.address": "127.0.0.1",
        "http.request.method": "GET",
        "http.response.status_code": 200,
    }
    found = attributes(fill)
    assert len(found.pop("millpond.cache.key")) == 32
    assert found == {
        "millpond.entry.kind": "fetch",
        "millpond.cache.reason": "cold",
        "millpond.cache.tags": ("prices",),
        "millpond.render.background": False,
    }
    assert trace_of(named["store get"]) == trace_of(server)
    assert attributes(named["store get"])["millpond.store.found"] is False
    assert trace_of(named["store commit"]) == trace_of(fill)
    assert attributes(named["store commit"])["millpond.outcome"] == "stored"
    assert SECRET not in str([attributes(span) for span in own(spans)])


async def test_an_uncached_fetch_is_below_the_request(project: Project, telemetry: Telemetry) -> None:
    async with upstream() as url, started(project, telemetry) as running:
        running.module("/prices").URL, running.module("/prices").GIVEN = url, {"cache": "no-store"}
        await running.get("/prices")
        running.module("/prices").URL = "http://127.0.0.1:1/"
        await running.get("/prices")
    spans = telemetry.spans()
    good, bad = [span for span in spans if span.name == "fetch"]
    assert [trace_of(good), trace_of(bad)] == [trace_of(span) for span in spans if span.kind is SpanKind.SERVER]
    assert (bad.status.status_code, attributes(bad)["error.type"]) == (StatusCode.ERROR, "ConnectError")


async def test_cached_functions_have_a_span_that_says_nothing_of_their_arguments(
    project: Project, telemetry: Telemetry
) -> None:
    async with started(project, telemetry) as running:
        await running.get("/stock")
        await running.client.put("/stock")
        await running.client.delete("/stock")
    spans = inner(telemetry)
    assert attributes(spans["fill @cached stock()"])["millpond.cache.tags"] == ("stock",)
    assert spans["fill @cached price()"].status.status_code is StatusCode.ERROR
    assert attributes(spans["fill @cached price()"])["error.type"] == "ValueError"
    assert SECRET not in str([(attributes(span), span.events, span.status.description) for span in spans.values()])


async def test_a_refresh_of_data_is_linked_to_the_request_that_found_it_stale(
    project: Project, telemetry: Telemetry
) -> None:
    async with started(project, telemetry) as running:
        await running.get("/stock")
        telemetry.spans()
        project.clock.move(61)
        await running.get("/stock")
        await running.settle()
    spans = telemetry.spans()
    [server] = [span for span in spans if span.kind is SpanKind.SERVER]
    [fill] = [span for span in spans if span.name.startswith("fill")]
    assert linked(fill) == [trace_of(server)]
    assert attributes(fill)["millpond.cache.reason"] == "age"
    assert attributes(fill)["millpond.render.background"] is True


class Busy(MemoryStore):
    """A store in which another process makes an entry first, once."""

    made: Entry | None = None
    is_busy = False

    async def acquire(self, key: str, seconds: float) -> Lease | None:
        if self.is_busy:
            return None
        return await super().acquire(key, seconds)

    async def wait(self, key: str, seconds: float) -> None:
        await asyncio.sleep(0.01)
        self.is_busy = False


async def test_a_wait_for_another_process_has_a_span(project: Project, telemetry: Telemetry) -> None:
    store = Busy(max_bytes=2**20, clock=project.clock)
    async with started(project, telemetry, store=store) as running:
        store.is_busy = True
        await running.get("/page")
    spans = telemetry.spans()
    [server] = [span for span in spans if span.kind is SpanKind.SERVER]
    [wait] = [span for span in spans if span.name == "lease wait"]
    assert linked(wait) == [trace_of(server)]
    assert wait.end_time is not None
    assert wait.start_time is not None
    assert wait.end_time - wait.start_time >= 5_000_000
    assert attributes(wait)["millpond.entry.kind"] == "response"


async def test_no_value_of_the_environment_is_in_the_span_of_a_failed_render(
    project: Project, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    async with started(project, telemetry) as running:
        await running.get("/fails")
    [render] = [span for span in telemetry.spans() if span.name.startswith("render")]
    assert render.status.description == "ValueError: no: $TOKEN"
    assert SECRET not in str([dict(event.attributes or {}) for event in render.events])


def test_a_purge_has_a_span(tmp_path: Path, telemetry: Telemetry) -> None:
    log = EventLog(Counting(tmp_path), lambda: 0.0, Spans(telemetry.tracers))
    log.purged(SentPurge("varnish 127.0.0.1", ["products"] * 50, True, PurgeOutcome.REFUSED, "it answered 403", 0.25))
    [span] = telemetry.spans()
    assert span.name == "purge"
    assert span.end_time is not None
    assert span.start_time is not None
    assert span.end_time - span.start_time == 250_000_000
    assert attributes(span) == {
        "millpond.purger": "varnish 127.0.0.1",
        "millpond.outcome": "refused",
        "millpond.cache.tags": ("products",) * 20,
        "millpond.hard": True,
    }


async def test_without_a_provider_nothing_is_traced() -> None:
    spans = Spans()
    with spans.shared("x", None, {}) as one, spans.below(None, "y", {}) as other:
        assert not one.is_recording()
        assert not other.is_recording()
    assert spans.cause() is None
