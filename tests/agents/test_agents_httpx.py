"""opentelemetry-instrumentation-httpx for httpx2, which `fetch` uses: whose trace an upstream call belongs to."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from apart import apart
from asked import conversation, in_process
from fastapi import FastAPI, Request
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor
from opentelemetry.trace import SpanKind
from twins import pond

from telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from opentelemetry.sdk.trace import ReadableSpan

ROUTES = {
    "/live": """
from millpond import Request, fetch
async def GET(request: Request):
    request.headers.get("x-name")
    return (await fetch("{upstream}", cache="no-store")).json()
""",
    "/rendered": """
import httpx2
revalidate = 60
async def GET():
    async with httpx2.AsyncClient() as client:
        return (await client.get("{upstream}")).json()
""",
    "/cached": """
from millpond import Request, fetch
async def GET(request: Request):
    request.headers.get("x-name")
    return (await fetch("{upstream}", revalidate=60)).json()
""",
    "/own": """
from millpond import Request, fetch
async def GET(request: Request):
    request.headers.get("x-name")
    return [(await fetch("/rendered")).json(), (await fetch("/live")).json()]
""",
}
CALLS = ("GET /live", "GET /rendered", "GET /rendered", "GET /cached", "GET /cached", "GET /own")


@asynccontextmanager
async def upstream() -> AsyncIterator[str]:
    """The address of a server that answers with the trace that it is told."""
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})

    @app.get("/")
    async def told(request: Request) -> str | None:
        return request.headers.get("traceparent")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve([listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        await serving


def shown(span: ReadableSpan) -> dict[str, Any]:
    """What the tests look at."""
    context, parent = span.get_span_context(), span.parent
    assert context is not None
    return {
        "name": span.name,
        "kind": span.kind.name,
        "id": f"{context.span_id:016x}",
        "trace": f"{context.trace_id:032x}",
        "parent": None if parent is None else f"{parent.span_id:016x}",
        "links": [f"{link.context.span_id:016x}" for link in span.links],
    }


async def report(folder: str) -> list[Any]:
    """The answers and the spans of each call."""
    telemetry = Telemetry()
    trace.set_tracer_provider(telemetry.tracers)
    HTTPX2ClientInstrumentor().instrument()
    async with upstream() as address:
        app = pond(Path(folder), {path: source.replace("{upstream}", address) for path, source in ROUTES.items()})
        async with in_process(app) as client:
            asked = await conversation(client, CALLS, telemetry.spans)
    return [[each.request, each.body, [shown(span) for span in each.reports]] for each in asked]


Spans = list[dict[str, Any]]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Spans, Spans, Spans]]:
    """The body, and the spans by kind: of servers, of clients, of renders."""
    found = []
    for _, body, spans in apart(report, str(tmp_path_factory.mktemp("service"))):
        kinds = [[span for span in spans if span["kind"] == kind.name] for kind in (SpanKind.SERVER, SpanKind.CLIENT)]
        renders = [span for span in spans if span["name"].startswith("render ")]
        found.append((body, *kinds, renders))
    return found


def test_each_request_has_one_server_span_and_fetches_of_own_paths_have_none(
    calls: list[tuple[str, Spans, Spans, Spans]],
) -> None:
    assert [[span["name"] for span in servers] for _, servers, _, _ in calls] == [[request] for request in CALLS]


def test_an_upstream_of_a_live_request_is_told_its_trace(calls: list[tuple[str, Spans, Spans, Spans]]) -> None:
    body, [server], [client], _ = calls[0]
    assert client["trace"] == server["trace"]
    assert body.startswith(f'"00-{client["trace"]}-{client["id"]}-')


def test_an_upstream_of_a_render_is_told_the_renders_trace(calls: list[tuple[str, Spans, Spans, Spans]]) -> None:
    body, [server], [client], [render] = calls[1]
    assert client["parent"] == render["id"]
    assert render["trace"] != server["trace"]
    assert render["links"] == [server["id"]]
    assert body.startswith(f'"00-{render["trace"]}-{client["id"]}-')
    assert calls[2][0] == body
    assert calls[2][2:] == ([], [])


def test_an_upstream_whose_answer_is_kept_is_told_nobodys_trace(calls: list[tuple[str, Spans, Spans, Spans]]) -> None:
    _, [server], [client], _ = calls[3]
    assert client["trace"] != server["trace"]
    assert calls[4][0] == calls[3][0]
    assert calls[4][2] == []
