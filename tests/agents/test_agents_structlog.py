"""structlog with context variables that a middleware binds: in the logs of each request, and in no shared render."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from asked import in_process
from structlog.contextvars import bind_contextvars, clear_contextvars, merge_contextvars
from twins import plain, pond

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx2
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

pytestmark = pytest.mark.anyio

LOGGING = """
import structlog
from structlog.contextvars import get_contextvars
log = structlog.get_logger()
{}
def GET(name: str):
    log.info("handling", name=name)
    return get_contextvars()
"""
ROUTES = {
    "/shared/[name]": LOGGING.format("revalidate = 60"),
    "/own/[name]": LOGGING.format("dynamic = 'force-dynamic'"),
}


class Bound:
    """The middleware of structlog's documentation."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            clear_contextvars()
            bind_contextvars(request_id=dict(scope["headers"])[b"x-request-id"].decode())
        await self.app(scope, receive, send)


class Lines(logging.Handler):
    """Records of the standard library with what is bound where they are made, as structlog's formatter has them."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[str, str | None]] = []

    def emit(self, record: logging.LogRecord) -> None:
        bound = merge_contextvars(None, "info", {})
        self.kept.append((record.getMessage(), bound.get("request_id")))


@pytest.fixture
def handled() -> Iterator[list[dict[str, Any]]]:
    """What handlers log with structlog."""
    events: list[dict[str, Any]] = []

    def keep(_logger: Any, _method: str, event: Any) -> Any:
        events.append(dict(event))
        raise structlog.DropEvent

    structlog.configure(processors=[merge_contextvars, keep])
    yield events
    structlog.reset_defaults()
    clear_contextvars()


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is logged with the standard library."""
    lines, access = Lines(), logging.getLogger("millpond.access")
    level = access.level
    access.addHandler(lines)
    access.setLevel("INFO")
    yield lines
    access.removeHandler(lines)
    access.setLevel(level)


async def ask(app: FastAPI, path: str, names: list[str]) -> list[Any]:
    """What is answered to requests at the same time, each with its name for an id."""
    app.add_middleware(Bound)
    async with in_process(app) as client:

        async def one(name: str) -> httpx2.Response:
            return await client.get(path.format(name), headers={"x-request-id": name})

        answers = await asyncio.gather(*map(one, names))
    return [answer.json() for answer in answers]


NAMES = ["alice", "bob", "carol"]


def of_fastapi() -> FastAPI:
    app = plain()

    @app.get("/own/{name}")
    def own(name: str) -> dict[str, Any]:
        structlog.get_logger().info("handling", name=name)
        return structlog.contextvars.get_contextvars()

    return app


async def test_a_live_handler_logs_what_is_bound_for_its_request(
    tmp_path: Path, handled: list[dict[str, Any]], lines: Lines
) -> None:
    expected = [{"request_id": name} for name in NAMES]
    assert await ask(of_fastapi(), "/own/{}", NAMES) == expected
    theirs = sorted(handled, key=repr)
    handled.clear()
    assert await ask(pond(tmp_path, ROUTES), "/own/{}", NAMES) == expected
    assert sorted(handled, key=repr) == theirs
    assert len(theirs) == len(NAMES)
    assert sorted(lines.kept) == [(f"GET /own/{name} 200", name) for name in NAMES]


async def test_a_shared_render_logs_and_answers_nothing_that_is_bound_for_a_request(
    tmp_path: Path, handled: list[dict[str, Any]], lines: Lines
) -> None:
    assert await ask(pond(tmp_path, ROUTES), "/shared/same", [*NAMES, *NAMES]) == [{}] * 6
    assert handled == [{"event": "handling", "name": "same"}]
    assert sorted(lines.kept) == sorted(("GET /shared/same 200", name) for name in [*NAMES, *NAMES])
