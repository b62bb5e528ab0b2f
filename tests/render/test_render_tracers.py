"""Agents around handlers: what they read of a request makes no route live; what handlers read still does."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import routing

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from ponds import Project

pytestmark = pytest.mark.anyio

ALL = ("headers", "cookies", "query_params", "url")


def read(request: Any) -> list[str]:
    """What an agent reads: every mapping, whole, and the request as a mapping itself."""
    return [*(repr(getattr(request, name)) for name in ALL), repr(dict(request.items())), repr(request.client)]


class Agent:
    """Replaces what makes FastAPI's handlers, and reads the request before and after each; keeps what it got."""

    def __init__(self) -> None:
        self._original = routing.get_request_handler
        self.kept: list[Any] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Callable[[Request], Any]:
        inner = self._original(*args, **kwargs)

        async def handler(request: Request) -> Response:
            self.kept += [getattr(request, name) for name in ALL]
            read(request)
            await request.body()
            try:
                return await inner(request)
            finally:
                read(request)

        return handler


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Agent:
    agent = Agent()
    monkeypatch.setattr(routing, "get_request_handler", agent)
    return agent


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("compat", ["14", "16"])
async def test_what_an_agent_reads_before_and_after_a_handler_makes_no_route_live(
    project: Project, agent: Agent, kind: str, compat: str
) -> None:
    project.routes(
        {
            "/": f"revalidate = 60\n{kind} GET(request): return request.url.path\n",
            "/p/[n]": f"revalidate = 60\n{kind} GET(n, request): return n\n",
        }
    )
    async with project.serving(compat=compat) as running:
        assert await running.cache("/") == "HIT"
        assert await running.cache("/p/1") == "MISS"
        assert await running.cache("/p/1") == "HIT"
    assert len(agent.kept) == 2 * len(ALL)
    assert [repr(each) for each in agent.kept]  # later, when nothing renders any more


READING = {
    "handler": "async def GET(n, request): return request.headers.get('x-a')",
    "sync handler": "def GET(n, request): return request.headers.get('x-a')",
    "dependency": """
def given(request: Request): return request.cookies.get('a')
async def GET(n, found=Depends(given)): return found
""",
    "async dependency": """
async def given(request: Request): return request.cookies.get('a')
async def GET(n, found=Depends(given)): return found
""",
    "dependency's end": """
async def given(request: Request):
    try:
        yield
    except HTTPException:
        raise HTTPException(404 if 'x-a' in request.headers else 410)
async def GET(n, found=Depends(given)): raise HTTPException(404)
""",
    "sync dependency's end": """
def given(request: Request):
    try:
        yield
    except HTTPException:
        raise HTTPException(404 if 'x-a' in request.headers else 410)
def GET(n, found=Depends(given)): raise HTTPException(404)
""",
    "stream": """
async def parts(request): yield request.headers.get('x-a', '')
async def GET(n, request): return StreamingResponse(parts(request))
""",
    "task": """
async def later(request): return request.headers.get('x-a')
async def GET(n, request): return await asyncio.create_task(later(request))
""",
}


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize("source", READING.values(), ids=READING)
async def test_what_is_read_for_an_answer_still_does(project: Project, source: str) -> None:
    head = (
        "import asyncio\nfrom fastapi import Depends, HTTPException, Request\nfrom millpond import StreamingResponse\n"
    )
    project.routes({"/p/[n]": f"{head}revalidate = 60\n{source}\n"})
    async with project.started() as running:
        assert await running.cache("/p/1") is None


REPORTING = """
import sys
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse

reports = []

def report(error):
    trace = error.__traceback__
    while trace is not None:
        reports.extend(repr(value) for value in trace.tb_frame.f_locals.values())
        for value in trace.tb_frame.f_locals.values():
            if isinstance(value, Request):
                reports.append(repr((dict(value), value.headers, value.cookies, value.query_params, value.url)))
        trace = trace.tb_next

def register(app):
    @app.exception_handler(HTTPException)
    async def refused(request, error):
        report(error)
        return PlainTextResponse("refused", error.status_code)

    from starlette.middleware.base import BaseHTTPMiddleware

    @lambda function: app.add_render_middleware(BaseHTTPMiddleware, dispatch=function)
    async def reporting(request, call_next):
        try:
            return await call_next(request)
        except ValueError as error:
            report(error)
            raise
"""


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_what_an_error_report_reads_ends_nothing_and_counts_where_the_answer_to_the_error_is_kept(
    project: Project, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    project.write({"instrumentation.py": REPORTING})
    head = "from starlette.exceptions import HTTPException\nrevalidate = 60\n"
    handler = f"{head}{kind} GET(n, request):\n    headers = request.headers\n    raise "
    project.routes({"/gone/[n]": f"{handler}HTTPException(404)\n", "/bad/[n]": f"{handler}ValueError('bad')\n"})
    async with project.started() as running:
        bad = await running.get("/bad/1")
        assert bad.status_code == 500
        assert any("Headers" in report for report in import_module("instrumentation").reports)
        assert "was static at build" not in caplog.text
        gone = await running.get("/gone/1")
        assert (gone.status_code, gone.text) == (404, "refused")
        assert "x-nextjs-cache" not in gone.headers
        assert "/gone/1 was static at build, and now its answer depends on the request: request." in caplog.text
