"""FastAPI's own OpenTelemetry (`telemetry=`), side by side with plain FastAPI."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from asked import CACHED, CONVERSATION, Asked, conversation, in_process, served
from fastapi import FastAPI
from opentelemetry.trace import SpanKind
from server_process import build, server
from twins import ROUTES, pond, twins, write

from millpond.config import parse_config
from telemetry import Telemetry, cache_of_span, servers

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan
    from starlette.types import ASGIApp, Receive, Scope, Send

pytestmark = pytest.mark.anyio

WAYS = {"in process": in_process, "over a socket": served}
METRIC = "http.server.request.duration"
Observed = tuple[list[Asked["list[ReadableSpan]"]], Telemetry]


async def observed(folder: Path, kind: str, way: str = "in process", **options: Any) -> Observed:
    telemetry = Telemetry()
    app = twins(folder)[kind](telemetry={**telemetry.providers, **options})
    async with WAYS[way](app) as client:
        return await conversation(client, CONVERSATION, telemetry.spans), telemetry


def without_port(asked: list[Asked[list[ReadableSpan]]]) -> list[Any]:
    found = [(each.request, each.status, each.body, servers(each.reports)) for each in asked]
    for *_, spans in found:
        for span in spans:
            span.attributes.pop("server.port")
    return found


@pytest.mark.parametrize("way", WAYS)
async def test_server_spans_and_metrics_and_logs_are_those_of_fastapi(tmp_path: Path, way: str) -> None:
    (theirs, their_telemetry), (ours, our_telemetry) = [
        await observed(tmp_path, kind, way) for kind in ("fastapi", "millpond")
    ]
    assert without_port(ours) == without_port(theirs)
    assert [len(servers(each.reports)) for each in ours] == [1] * len(CONVERSATION)
    assert our_telemetry.counts(METRIC) == their_telemetry.counts(METRIC)
    assert sum(our_telemetry.counts(METRIC).values()) == len(CONVERSATION)
    assert our_telemetry.counts(METRIC)["GET", "/static", 200, None] == 3
    assert our_telemetry.logs() == their_telemetry.logs() != []


async def test_live_requests_have_the_operation_spans_of_fastapi(tmp_path: Path) -> None:
    def operations(asked: list[Asked[list[ReadableSpan]]]) -> list[Any]:
        return [
            (each.request, [span.name for span in each.reports])
            for each in asked
            if each.request.partition("?")[0].rstrip("0123456789").rstrip("/") not in CACHED
        ]

    theirs, ours = [(await observed(tmp_path, kind))[0] for kind in ("fastapi", "millpond")]
    assert operations(ours) == operations(theirs)
    assert ("GET /live", ["fastapi.dependencies", "fastapi.endpoint", "fastapi.serialization", "GET /live"]) in (
        operations(ours)
    )


async def test_the_server_span_tells_what_the_cache_did(tmp_path: Path) -> None:
    asked, _ = await observed(tmp_path, "millpond")
    told = [(each.request, each.cache, *map(cache_of_span, of_kind(each.reports, SpanKind.SERVER))) for each in asked]
    assert told == [
        ("GET /static", "MISS", ("MISS", "cold")),
        *[("GET /static", "HIT", ("HIT", "fresh"))] * 2,
        ("GET /things/1", "MISS", ("MISS", "cold")),
        ("GET /things/1", "HIT", ("HIT", "fresh")),
        ("GET /things/2?size=3", "MISS", ("MISS", "cold")),
        ("HEAD /things/9", "MISS", ("MISS", "cold")),
        ("GET /live", None, ("LIVE", "live")),
        ("POST /orders", None, ("LIVE", "live")),
        ("POST /orders?wrong", None, ("LIVE", "live")),
        ("GET /failing", None, ("MISS", "cold")),
        ("GET /failing-live", None, ("LIVE", "live")),
        ("GET /nope", None, (None, None)),
        ("PUT /static", None, ("LIVE", "live")),
        *((request, None, (None, None)) for request in CONVERSATION[-5:]),
    ]


async def test_each_render_is_a_root_of_its_own_that_is_linked_to_its_request(tmp_path: Path) -> None:
    asked, _ = await observed(tmp_path, "millpond")
    renders = {}
    for each in asked:
        [server], internal = of_kind(each.reports, SpanKind.SERVER), of_kind(each.reports, SpanKind.INTERNAL)
        for span in internal:
            if span.name.startswith("render "):
                assert span.parent is None
                assert span.context.trace_id != server.context.trace_id
                assert [link.context for link in span.links] == [server.context]
                renders[each.request] = (span.name, (span.attributes or {}).get("http.response.status_code"))
    assert renders == {
        "GET /static": ("render GET /static", 200),
        "GET /things/1": ("render GET /things/[id]", 200),
        "GET /things/2?size=3": ("render GET /things/[id]", 200),
        "HEAD /things/9": ("render GET /things/[id]", 200),
        "GET /failing": ("render GET /failing", None),
    }


async def test_below_a_mount_and_a_base_path_the_route_has_their_prefix(tmp_path: Path) -> None:
    requests = ("GET /shop/static", "GET /shop/static", "GET /shop/static", "GET /shop/things/1", "GET /shop/live")
    config = parse_config({"base_path": "/shop", "cache": {"store": "memory"}}, "millpond.toml")
    found = {}
    for name in (*twins(tmp_path), "base path"):
        telemetry = Telemetry()
        if name == "base path":
            app: FastAPI = pond(tmp_path, config=config, telemetry=telemetry.providers)
        else:
            app = FastAPI(telemetry=telemetry.providers)
            app.mount("/shop", twins(tmp_path)[name]())
        async with in_process(app) as client:
            asked = await conversation(client, requests, telemetry.spans)
        found[name] = [(each.request, each.status, each.body, servers(each.reports)) for each in asked]
    assert found["millpond"] == found["base path"] == found["fastapi"]
    assert [span.name for *_, spans in found["millpond"] for span in spans][-2:] == [
        "GET /shop/things/{id}",
        "GET /shop/live",
    ]


def of_kind(spans: list[ReadableSpan], kind: SpanKind) -> list[ReadableSpan]:
    return [span for span in spans if span.kind is kind]


async def test_requests_that_are_excluded_are_not_told(tmp_path: Path) -> None:
    for kind in ("fastapi", "millpond"):
        asked, telemetry = await observed(tmp_path, kind, exclude=lambda scope: scope["path"] == "/static")
        assert [each.request for each in asked if not servers(each.reports)] == [
            request for request in CONVERSATION if request.endswith(" /static")
        ]
        assert sum(telemetry.counts(METRIC).values()) == len(CONVERSATION) - 4


TRACED = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

def trace_now():
    out = open("spans.jsonl", "w", buffering=1)
    exporter = ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\\n")
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)

def register(app):
    {}
"""
LATER = "from instrumentation import trace_now\ndef POST(): trace_now()\n"


def test_hits_of_millpond_start_have_spans_also_if_tracing_begins_after_the_start(tmp_path: Path) -> None:
    write(tmp_path, {"/static": ROUTES["/static"], "/live": ROUTES["/live"], "/trace": LATER})
    (tmp_path / "instrumentation.py").write_text(TRACED.format("pass"))
    spans = tmp_path / "spans.jsonl"
    build(tmp_path)
    with server("millpond", tmp_path) as running:
        assert running.client.get("/static").headers["x-nextjs-cache"] == "HIT"
        assert running.client.post("/trace").status_code == 200
        deadline = time.monotonic() + 10
        while not spans.read_text("utf-8"):  # whether anything traces is looked at each second
            running.client.get("/static")
            assert time.monotonic() < deadline
        for path in ("/static", "/live", "/static"):
            running.client.get(path, params={"counted": "1"})
    told = [json.loads(line)["attributes"] for line in spans.read_text("utf-8").splitlines()]
    assert [
        (attributes["http.route"], attributes["millpond.cache.status"])
        for attributes in told
        if attributes.get("url.query") == "counted=1"
    ] == [("/static", "HIT"), ("/live", "LIVE"), ("/static", "HIT")]


def test_hits_of_millpond_start_have_spans_if_register_sets_a_provider(tmp_path: Path) -> None:
    write(tmp_path, {"/static": ROUTES["/static"]})
    (tmp_path / "instrumentation.py").write_text(TRACED.format("trace_now()"))
    build(tmp_path)
    with server("millpond", tmp_path) as running:
        states = [running.client.get("/static").headers["x-nextjs-cache"] for _ in range(2)]
    told = [json.loads(line) for line in (tmp_path / "spans.jsonl").read_text("utf-8").splitlines()]
    assert states == ["HIT", "HIT"]
    assert [(span["name"], span["attributes"]["millpond.cache.status"]) for span in told] == [
        ("GET /static", "HIT")
    ] * 2


async def test_an_application_that_is_mounted_behind_middleware_has_telemetry_of_its_own(tmp_path: Path) -> None:
    class Passing:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(dict(scope), receive, send)

    telemetry = Telemetry()
    child = FastAPI(telemetry=telemetry.providers)
    child.get("/inside")(lambda: "inside")
    parent = pond(tmp_path)
    parent.add_middleware(Passing)
    parent.mount("/child", child)
    async with in_process(parent) as client:
        for _ in range(2):
            assert (await client.get("/child/inside")).json() == "inside"
            assert (await client.get("/static")).status_code == 200
    assert [span.name for span in telemetry.spans() if span.kind is SpanKind.SERVER] == ["GET /inside"] * 2
