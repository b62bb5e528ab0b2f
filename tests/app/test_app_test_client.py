"""Starlette's test client: with and without lifespan, its refreshes, and what it keeps away from."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import BackgroundTasks, FastAPI, Request, WebSocket
from fastapi.testclient import TestClient

from millpond import Millpond
from millpond.routes.imports import import_project_file
from ponds import Project, cache_of

pytestmark = pytest.mark.anyio

COUNTING = "revalidate = 10\nruns = []\nasync def GET(id: str):\n    runs.append(id)\n    return len(runs)\n"
ROUTES = {
    "/items/[id]": COUNTING,
    "/state": "dynamic = 'force-dynamic'\ndef GET(request): return request.state.db\n",
    "/stored/[id]": "revalidate = 60\ndef GET(request): return request.state.db\n",
}


@pytest.fixture
def shop(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    project.routes(ROUTES)
    monkeypatch.chdir(project.folder)
    return project


def test_it_works_without_its_lifespan_then_with_it_then_without_again(shop: Project) -> None:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        events.append("begin")
        yield {"db": "connected"}
        events.append("end")

    app = Millpond("app", lifespan=lifespan)
    client = TestClient(app)
    assert [cache_of(client.get("/items/1")) for _ in range(3)] == ["MISS", "HIT", "HIT"]
    assert events == []
    with TestClient(app) as started:
        assert started.get("/state").json() == "connected"
        assert [started.get("/stored/1").json() for _ in range(2)] == ["connected"] * 2
        assert [cache_of(started.get("/items/2")) for _ in range(2)] == ["MISS", "HIT"]
    assert events == ["begin", "end"]
    assert [cache_of(client.get("/items/3")) for _ in range(2)] == ["MISS", "HIT"]
    with TestClient(app) as started:
        assert started.get("/state").json() == "connected"
    assert events == ["begin", "end"] * 2


@pytest.mark.parametrize("started", [True, False], ids=["with lifespan", "without"])
def test_a_refresh_in_the_background_ends_although_the_loop_may_end_with_the_request(
    shop: Project, monkeypatch: pytest.MonkeyPatch, started: bool
) -> None:
    now = time.time()
    app = Millpond("app", clock=lambda: now)
    client = TestClient(app)
    if started:
        client.__enter__()
    try:
        assert client.get("/items/1").json() == 1
        now += 11
        assert cache_of(client.get("/items/1")) == "STALE"
        refreshed = client.get("/items/1")
        while started and cache_of(refreshed) == "STALE":  # the refresh has a loop of its own, which goes on
            refreshed = client.get("/items/1")
        assert (cache_of(refreshed), refreshed.json()) == ("HIT", 2)
    finally:
        if started:
            client.__exit__(None, None, None)


async def test_two_event_loops_ask_one_application_at_once(shop: Project) -> None:
    app = Millpond("app")
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        assert cache_of(await client.get("/items/1")) == "MISS"

        def other() -> list[str | None]:
            with TestClient(app) as started:
                return [cache_of(started.get("/items/1")) for _ in range(2)]

        assert await asyncio.to_thread(other) == ["HIT", "HIT"]
        assert cache_of(await client.get("/items/1")) == "HIT"


def test_websockets_background_tasks_and_overrides_work_as_in_fastapi(shop: Project) -> None:
    app, done = Millpond("app"), list[int]()

    @app.websocket("/ws")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close()

    @app.post("/later")
    async def later(tasks: BackgroundTasks) -> None:
        tasks.add_task(done.append, 1)

    client = TestClient(app)
    with client.websocket_connect("/ws") as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "hello"
    assert client.post("/later").status_code == 200
    assert done == [1]


async def test_an_async_register_is_awaited_before_the_first_request_and_only_once(shop: Project) -> None:
    shop.write(
        {
            "instrumentation.py": """
            import asyncio
            runs = []
            async def register(app):
                runs.append(1)
                await asyncio.sleep(0)
                @app.middleware("http")
                async def mark(request, call_next):
                    answer = await call_next(request)
                    answer.headers["x-marked"] = str(len(runs))
                    return answer
            """
        }
    )
    client = TestClient(Millpond("app"))
    assert [client.get("/items/1").headers["x-marked"] for _ in range(2)] == ["1", "1"]


def test_register_gets_the_application_itself_before_its_routes_are_imported(shop: Project) -> None:
    shop.write(
        {
            "instrumentation.py": "seen = []\ndef register(app): seen.append(app)\n",
            "app/seen/route.py": "from instrumentation import seen\nTITLE = seen[0].title\ndef GET(): return TITLE\n",
        }
    )
    app = Millpond("app", title="Shop")
    assert import_project_file(shop.folder / "instrumentation.py", shop.folder).seen == [app]
    assert TestClient(app).get("/seen").json() == "Shop"


async def lifespan_of(app: Millpond) -> list[str]:
    """What a server is told that starts and stops the application."""
    app.isolated = False
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    return sent


async def test_a_server_that_runs_no_crons_says_so(shop: Project, caplog: pytest.LogCaptureFixture) -> None:
    shop.write({"millpond.toml": "[cache]\nstore = 'memory'\n[[cron]]\npath = '/state'\nschedule = '0 * * * *'\n"})
    assert await lifespan_of(Millpond("app")) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert "this server doesn't run crons, and the configuration has 1 cron: /state. `millpond start`" in caplog.text


@pytest.mark.parametrize("is_guarded", [False, True])
async def test_a_server_says_that_anybody_can_read_the_metrics(
    shop: Project, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, is_guarded: bool
) -> None:
    monkeypatch.setenv("METRICS_SECRET", "0123456789abcdef0123456789abcdef")
    guard = "secret_env = 'METRICS_SECRET'\n" if is_guarded else ""
    shop.write({"millpond.toml": f"[cache]\nstore = 'memory'\n[metrics]\npath = '/metrics'\n{guard}"})
    await lifespan_of(Millpond("app"))
    assert ("anybody who reaches /metrics can read the metrics" in caplog.text) is not is_guarded


def test_a_request_state_of_the_lifespan_is_there_in_declared_endpoints_too(shop: Project) -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        yield {"db": "connected"}

    app = Millpond("app", lifespan=lifespan)

    @app.get("/declared")
    def declared(request: Request) -> str:
        return str(request.state.db)

    with TestClient(app) as client:
        assert client.get("/declared").json() == "connected"
