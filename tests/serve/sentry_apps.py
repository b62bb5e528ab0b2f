"""What Sentry's own SDK reports of an application: run in a process of its own, as it changes Starlette and FastAPI.

    python sentry_apps.py pond|fastapi '["GET /error"]'

The requests come back as JSON, each with its answer and the events that were sent meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
import tempfile
import time
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import httpx2
import sentry_sdk
import uvicorn
from fastapi import FastAPI, HTTPException
from sentry_sdk.transport import Transport

from millpond import Millpond
from millpond.stores.memory import MemoryStore

if TYPE_CHECKING:
    from sentry_sdk.envelope import Envelope
    from starlette.types import ASGIApp, Receive, Scope, Send

INSTRUMENTATION = "from sentry_apps import begin\ndef register(app): begin()\n"
LIVE = "import sentry_sdk\nfrom sentry_apps import trace\ndynamic = 'force-dynamic'\n"
ROUTES = {
    "/login/[user]": LIVE
    + """
def GET(user):
    sentry_sdk.set_user({"id": user})
    sentry_sdk.set_tag("user", user)
    return user
""",
    "/tells/[user]": LIVE
    + """
async def GET(user):
    sentry_sdk.set_user({"id": user})
    sentry_sdk.set_tag("user", user)
    sentry_sdk.capture_message("hello")
    raise ValueError("told")
""",
    "/error": LIVE + "async def GET(): raise ValueError('live')\nasync def POST(): raise ValueError('posted')\n",
    "/sync-error": LIVE + "def GET(): raise ValueError('sync')\n",
    "/fresh/[n]": "revalidate = 60\nasync def GET(n, request): return n\n",
    "/fresh-sync/[n]": "revalidate = 60\ndef GET(n): return n\n",
    "/fresh-error/[n]": "revalidate = 60\nasync def GET(n, request): raise ValueError('fresh')\n",
    "/fresh-refused/[n]": """
from fastapi import HTTPException
revalidate = 60
def GET(n, request): raise HTTPException(503)
""",
    "/static": "revalidate = 60\nasync def GET(request): return 'built'\n",
    "/uses-data/[user]": LIVE
    + """
from millpond import cached
@cached
async def data():
    sentry_sdk.set_tag("user", "of the function")
    return trace()
@cached
def data_sync():
    sentry_sdk.set_tag("user", "of the function")
    return trace()
async def GET(user):
    sentry_sdk.set_user({"id": user})
    return [await data(), data_sync(), trace()]
""",
    "/uses-upstream/[user]": LIVE
    + """
from millpond import fetch
from sentry_apps import upstream
async def GET(user):
    async with upstream() as client:
        own = {"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01", "tracestate": "a=b"}
        uncached = await fetch("http://up.example/a", client=client, headers=own)
        cached = await fetch("http://up.example/b", client=client, headers=own, revalidate=60)
    return [uncached.json(), cached.json(), trace()]
""",
    "/later/[user]": LIVE
    + """
from millpond import after
async def late(): raise ValueError("late")
async def GET(user):
    sentry_sdk.set_user({"id": user})
    after(late)
    after(late())
    return user
""",
}

events: list[dict[str, Any]] = []


class Kept(Transport):
    """Keeps events in place of sending them."""

    def capture_envelope(self, envelope: Envelope) -> None:
        events.extend(item.payload.json for item in envelope.items if item.payload.json is not None)


def begin() -> None:
    """What a project's instrumentation does."""
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:1/1",
        transport=Kept,
        traces_sample_rate=1.0,
        send_default_pii=True,
        trace_propagation_targets=[".*"],
    )


def trace() -> str:
    """The trace that this code is part of."""
    return str(sentry_sdk.get_traceparent() or "").partition("-")[0]


def upstream() -> httpx2.AsyncClient:
    """A client of an upstream that answers with the headers that it was sent."""
    answer = httpx2.MockTransport(lambda request: httpx2.Response(200, json=dict(request.headers)))
    return httpx2.AsyncClient(transport=answer)


def plain() -> FastAPI:
    """The same endpoints without Millpond."""
    begin()
    app = FastAPI()

    @app.get("/login/{user}")
    def login(user: str) -> str:
        sentry_sdk.set_user({"id": user})
        sentry_sdk.set_tag("user", user)
        return user

    @app.get("/tells/{user}")
    async def tells(user: str) -> None:
        sentry_sdk.set_user({"id": user})
        sentry_sdk.set_tag("user", user)
        sentry_sdk.capture_message("hello")
        raise ValueError("told")

    @app.get("/error")
    async def error() -> None:
        raise ValueError("live")

    @app.post("/error")
    async def posted() -> None:
        raise ValueError("posted")

    @app.get("/sync-error")
    def sync_error() -> None:
        raise ValueError("sync")

    @app.get("/fresh/{n}")
    async def fresh(n: str) -> str:
        return n

    @app.get("/fresh-sync/{n}")
    def fresh_sync(n: str) -> str:
        return n

    @app.get("/fresh-error/{n}")
    async def fresh_error(n: str) -> None:
        raise ValueError("fresh")

    @app.get("/fresh-refused/{n}")
    def fresh_refused(n: str) -> None:
        raise HTTPException(503)

    return app


def pond(folder: Path) -> ASGIApp:
    """Millpond's application of the routes."""
    (folder / "instrumentation.py").write_text(INSTRUMENTATION)
    for pattern, source in ROUTES.items():
        file = folder / f"app{pattern}/route.py"
        file.parent.mkdir(parents=True)
        file.write_text(dedent(source))
    return Millpond(folder / "app", store=MemoryStore(max_bytes=2**20, clock=time.time))


async def reported(app: ASGIApp, requests: list[str]) -> list[dict[str, Any]]:
    """A server's answers on one connection, and what was reported of each."""
    ended = asyncio.Event()

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        finally:
            ended.set()

    if isinstance(app, Millpond):
        await app.build()
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(noting, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve([listening]))
    reports = []
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}") as client:
        for request in requests:
            events.clear()
            ended.clear()
            method, path = request.split(" ")
            answer = await client.request(method, path)
            await ended.wait()  # a transaction ends after its answer
            if isinstance(app, Millpond) and app._life.first is not None:
                await app._life.first.drain(5)
            state = answer.headers.get("x-nextjs-cache")
            report = {"request": request, "status": answer.status_code, "state": state, "body": answer.text}
            reports.append({**report, "events": list(events)})
    server.should_exit = True
    await serving
    return reports


def main(kind: str, requests: list[str]) -> None:
    logging.getLogger().addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory() as folder:
        app = pond(Path(folder).resolve()) if kind == "pond" else plain()
        json.dump(asyncio.run(reported(app, requests)), sys.stdout, default=str)


if __name__ == "__main__":
    sys.modules["sentry_apps"] = sys.modules["__main__"]
    main(sys.argv[1], json.loads(sys.argv[2]))
