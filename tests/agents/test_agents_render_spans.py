"""Spans of shared renders: roots of their own, one for each render, linked to the span of what caused it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from twins import pond

from ponds import Running, client_of
from telemetry import Telemetry, cache_of_span

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from opentelemetry.sdk.trace import ReadableSpan

    from ponds import Project

pytestmark = pytest.mark.anyio

ROUTES = {
    "/fresh/[n]": "revalidate = 60\nasync def GET(n: str): return n\n",
    "/fails": """
revalidate = 60
def GET():
    try:
        {}["stock"]
    except KeyError as error:
        raise ValueError("no stock") from error
""",
    "/refused": "revalidate = 60\nfrom fastapi import HTTPException\ndef GET(): raise HTTPException(503)\n",
    "/turns": "revalidate = 60\ndef GET(request): return request.headers.get('x-name')\n",
    "/asks": "from millpond import fetch\nrevalidate = 60\nasync def GET(): return (await fetch('/fresh/9')).json()\n",
    "/asks-live": """
from millpond import fetch
dynamic = "force-dynamic"
async def GET(): return [(await fetch('/fresh/7')).json(), (await fetch('/fresh/7')).json()]
""",
    "/traces": """
from opentelemetry import trace
revalidate = 60
def GET():
    return trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
""",
}


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


@asynccontextmanager
async def started(project: Project, telemetry: Telemetry) -> AsyncIterator[Running]:
    app = pond(project.folder, ROUTES, clock=project.clock, telemetry=telemetry.providers)
    async with app.lifespan(), client_of(app) as client:
        yield Running(app, client)


def servers_and_renders(telemetry: Telemetry) -> tuple[list[ReadableSpan], list[ReadableSpan]]:
    spans = telemetry.spans()
    return (
        [span for span in spans if span.kind is SpanKind.SERVER],
        [span for span in spans if span.name.startswith("render ")],
    )


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_render_says_what_it_renders(project: Project, telemetry: Telemetry) -> None:
    async with started(project, telemetry) as running:
        await running.get("/fresh/1")
        [server], [render] = servers_and_renders(telemetry)
    assert (render.name, render.kind, render.parent) == ("render GET /fresh/[n]", SpanKind.INTERNAL, None)
    assert [link.context for link in render.links] == [server.get_span_context()]
    found = attributes(render)
    assert len(found.pop("millpond.cache.key")) == 32
    assert found == {
        "http.route": "/fresh/{n}",
        "url.path": "/fresh/1",
        "http.response.status_code": 200,
        "millpond.render.background": False,
        "millpond.cache.reason": "cold",
        "millpond.cache.tags": ("route:/fresh/[n]", "path:/fresh/1"),
    }


async def test_a_refresh_is_linked_to_the_request_that_found_the_answer_stale(
    project: Project, telemetry: Telemetry
) -> None:
    async with started(project, telemetry) as running:
        await running.get("/fresh/1")
        telemetry.spans()
        project.clock.move(61)
        await running.get("/fresh/1")
        await running.settle()
        [server], [render] = servers_and_renders(telemetry)
    assert cache_of_span(server) == ("STALE", "age")
    assert [link.context for link in render.links] == [server.get_span_context()]
    assert attributes(render)["millpond.render.background"] is True
    assert attributes(render)["millpond.cache.reason"] == "age"


async def test_requests_that_share_a_render_share_its_span(project: Project, telemetry: Telemetry) -> None:
    async with started(project, telemetry) as running:
        await asyncio.gather(*(running.get("/fresh/1") for _ in range(5)))
        servers, [render] = servers_and_renders(telemetry)
    assert len(servers) == 5
    [link] = render.links
    assert link.context in [server.get_span_context() for server in servers]


async def test_what_a_handler_traces_is_below_its_render(project: Project, telemetry: Telemetry) -> None:
    async with started(project, telemetry) as running:
        answer = await running.get("/traces")
        [server], [render] = servers_and_renders(telemetry)
    assert int(answer.json(), 16) == render.get_span_context().trace_id != server.get_span_context().trace_id  # type: ignore[union-attr]


async def test_a_render_that_fails_has_the_error_of_its_handler(project: Project, telemetry: Telemetry) -> None:
    async with started(project, telemetry) as running:
        await running.get("/fails")
        [_], [render] = servers_and_renders(telemetry)
    assert render.status.status_code is StatusCode.ERROR
    assert render.status.description == "ValueError: no stock"
    assert attributes(render)["error.type"] == "ValueError"
    assert [(event.name, (event.attributes or {})["exception.type"]) for event in render.events] == [
        ("exception", "ValueError")
    ]


async def test_a_render_whose_answer_is_refused_has_its_status(project: Project, telemetry: Telemetry) -> None:
    async with started(project, telemetry) as running:
        await running.get("/refused")
        [_], [render] = servers_and_renders(telemetry)
    assert render.status.status_code is StatusCode.UNSET
    assert attributes(render)["http.response.status_code"] == 503


async def test_a_render_that_turns_dynamic_says_why_and_is_no_error(project: Project, telemetry: Telemetry) -> None:
    async with started(project, telemetry) as running:
        await running.get("/turns")
        [server], [render] = servers_and_renders(telemetry)
    assert render.status.status_code is StatusCode.UNSET
    assert attributes(render)["millpond.cache.reason"] == "turned-dynamic"
    assert attributes(render)["millpond.render.dynamic"] == 'request.headers["x-name"] · app/turns/route.py:2'
    assert cache_of_span(server) == ("LIVE", "turned-dynamic")


async def test_a_render_that_asks_for_another_one_is_its_cause(project: Project, telemetry: Telemetry) -> None:
    async with started(project, telemetry) as running:
        await running.get("/asks")
        [server], [inner, outer] = servers_and_renders(telemetry)
    assert (inner.name, outer.name) == ("render GET /fresh/[n]", "render GET /asks")
    assert [link.context for link in inner.links] == [outer.get_span_context()]
    assert [link.context for link in outer.links] == [server.get_span_context()]
    assert inner.parent is outer.parent is None


async def test_fetches_of_own_paths_tell_nothing_about_the_request_that_makes_them(
    project: Project, telemetry: Telemetry
) -> None:
    async with started(project, telemetry) as running:
        await running.get("/asks-live")
        told = [(span.name, cache_of_span(span)) for span in telemetry.spans() if cache_of_span(span)[0]]
    assert told == [("GET /asks-live", ("LIVE", "live"))]


async def test_a_span_that_is_open_while_the_application_is_made_is_no_parent_of_renders(
    project: Project, telemetry: Telemetry
) -> None:
    with telemetry.tracers.get_tracer("test").start_as_current_span("start"):
        starting = started(project, telemetry)
        async with starting as running:
            await running.get("/fresh/1")
            _, [render] = servers_and_renders(telemetry)
    assert render.parent is None


async def test_without_a_provider_renders_have_no_span(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started() as running:
        answer = await running.get("/traces")
    assert answer.json() == trace.format_trace_id(trace.INVALID_TRACE_ID)
