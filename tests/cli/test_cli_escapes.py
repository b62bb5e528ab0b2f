"""What a user's code raises that isn't meant for the event loop doesn't end a server, wherever it is raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli_project import LIVE, STATIC, address_in, call, spawn
from many_workers import PATIENCE, started

if TYPE_CHECKING:
    from ponds import Project

INSTRUMENTATION = """\
import sys

from starlette.middleware.base import BaseHTTPMiddleware


class Refusing(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        if request.url.path == "/middleware":
            sys.exit(3)
        return await call_next(request)


class Within:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["path"] == "/within":
            raise KeyboardInterrupt
        await self.app(scope, receive, send)


def register(app):
    app.add_render_middleware(Within)  # below the other: it runs in a task that Starlette begins
    app.add_render_middleware(Refusing)
"""

ROUTES = {
    "/middleware": LIVE,
    "/within": LIVE,
    "/[kind]": """\
import asyncio
import os
import sys
from typing import Annotated

from fastapi import Depends
from starlette.background import BackgroundTask

from millpond import JSONResponse, StreamingResponse, after, cached

dynamic = "force-dynamic"
kept = []


async def leave():
    sys.exit(3)


def interrupt():
    raise KeyboardInterrupt


@cached()
async def kept_value():
    sys.exit(3)


@cached()
def kept_by_a_thread():
    sys.exit(3)


async def body():
    yield b"one"
    sys.exit(3)


def lines():
    yield b"one"
    raise KeyboardInterrupt


async def opened(kind: str):
    yield 7
    if kind == "dependency":
        sys.exit(3)


async def GET(kind: str, seven: Annotated[int, Depends(opened)]):
    match kind:
        case "after":
            after(leave)
            after(leave())
            after(interrupt)
            after(print, "after all")
        case "background":
            return JSONResponse(1, background=BackgroundTask(leave))
        case "stream":
            return StreamingResponse(body())
        case "sync-stream":
            return StreamingResponse(lines())
        case "thread":
            await asyncio.to_thread(interrupt)
        case "cached":
            await kept_value()
        case "cached-thread":
            await asyncio.to_thread(kept_by_a_thread)
        case "interrupt":
            interrupt()
        case "task":
            kept.append(asyncio.create_task(leave()))
        case "callback":
            asyncio.get_running_loop().call_soon(sys.exit, 3)
        case "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(leave())
    return os.getpid()
""",
}

ANSWERED = ("after", "background", "stream", "sync-stream", "dependency", "task", "callback")
FAILED = ("thread", "cached", "cached-thread", "interrupt", "group", "within", "middleware")


@pytest.mark.parametrize("workers", [1, 2])
def test_no_exit_or_interrupt_of_a_users_code_ends_a_worker(
    project: Project, capsys: pytest.CaptureFixture[str], workers: int
) -> None:
    project.routes(ROUTES)
    project.write({"instrumentation.py": INSTRUMENTATION})
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    with started(project, workers) as server:
        for _ in range(2):
            for kind in ANSWERED:
                assert server.begun(f"/{kind}") == 200, kind
            for kind in FAILED:
                assert server.begun(f"/{kind}") == 500, kind
        logged = server.end()
    assert server.process.returncode == 0
    messages = [line["message"] for line in logged]
    assert not any("replaces worker" in message for message in messages)
    assert messages.count("an after() callback failed") == 6


@pytest.mark.parametrize("place", ["before", "after"])
def test_an_exit_in_a_lifespan_is_an_error_with_its_place(
    project: Project, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    project.routes({"/": STATIC})
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    lifespan = {"before": "sys.exit(3)\n    yield", "after": "yield\n    sys.exit(3)"}
    source = f"""\
import contextlib
import sys


@contextlib.asynccontextmanager
async def lifespan(app):
    {lifespan[place]}


def register(app):
    app.router.lifespan_context = lifespan
"""
    project.write({"instrumentation.py": source})
    process = spawn("start", "--dir", str(project.folder), "--port", "0")
    try:
        if place == "after":
            address_in(process)
            process.terminate()
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1
    assert "error: the project's own code failed" in said
    assert "instrumentation.py" in said
    assert "the application's lifespan raised SystemExit: 3" in said
