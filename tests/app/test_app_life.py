"""Starting and stopping: instrumentation, the inner lifespan, mounting, several starts, two in one process."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI

from millpond import Millpond
from millpond.errors import BuildError
from millpond.routes.imports import forget, import_project_file
from millpond.stores.memory import MemoryStore
from ponds import Clock, Project, cache_of, client_of, start, turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.types import Message, Receive, Scope, Send

pytestmark = pytest.mark.anyio

LIVING = """
from contextlib import asynccontextmanager
from fastapi import WebSocket
log = []
fail = ""
def register(app):
    log.append("register")
    @asynccontextmanager
    async def life(inner):
        log.append("begin")
        if fail == "begin":
            raise ConnectionError("no database")
        yield {"database": "connected"}
        log.append("end")
        if fail == "end":
            raise ConnectionError("lost database")
    app.router.lifespan_context = life
    @app.get("/health")
    def health(): return "fine"
    @app.websocket("/echo")
    async def echo(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()
    @app.middleware("http")
    async def mark(request, call_next):
        response = await call_next(request)
        response.headers.append("x-inner", "1")
        return response
"""


@pytest.fixture
def living(project: Project) -> Project:
    project.write({"instrumentation.py": LIVING})
    project.routes(
        {
            "/": "revalidate = 60\ndef GET(request): return request.state.database\n",
            "/live": "def GET(request): return request.state.database\n",
        }
    )
    return project


def log_of(project: Project) -> list[str]:
    """What the instrumentation that was imported last has noted."""
    log: list[str] = import_project_file(project.folder / "instrumentation.py", project.folder).log
    return log


async def test_register_and_the_inner_lifespan_surround_builds_and_serving(living: Project) -> None:
    async with living.serving() as running:
        log = log_of(living)
        assert log == ["register", "begin"]
        assert (await running.get("/live")).json() == "connected"
        answer = await running.get("/")
        assert (answer.json(), cache_of(answer)) == ("connected", "HIT")
    assert log == ["register", "begin", "end"]


async def test_routes_and_websockets_that_register_adds_are_reached(living: Project) -> None:
    async with living.serving() as running:
        assert (await running.get("/health")).json() == "fine"
        assert (await running.get("/unknown")).status_code == 404
        sent: list[Message] = []
        incoming = iter([{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}])

        async def receive() -> Message:
            return next(incoming)

        async def send(message: Message) -> None:
            sent.append(message)

        scope: Scope = {"type": "websocket", "path": "/echo", "raw_path": b"/echo", "query_string": b"", "headers": []}
        scope.update(scheme="ws", root_path="", subprotocols=[], asgi={"version": "3.0"})
        await running.pond(scope, receive, send)
        assert [message.get("text") for message in sent] == [None, "hello", None]


async def test_a_route_file_wins_over_a_route_that_register_adds(living: Project) -> None:
    living.routes({"/health": "def GET(): return 'from the file'\n"})
    async with living.serving() as running:
        assert (await running.get("/health")).json() == "from the file"


async def test_one_millpond_builds_and_starts_again_and_again(living: Project) -> None:
    pond = living.pond()
    await pond.build()
    for _ in range(3):
        async with pond.lifespan(), client_of(pond) as client:
            answer = await client.get("/live")
            assert (answer.json(), answer.headers.get_list("x-inner")) == ("connected", ["1"])
            assert cache_of(await client.get("/")) == "HIT"
    log = log_of(living)
    assert log == ["register", *["begin", "end"] * 4]


def test_one_millpond_serves_in_one_event_loop_after_another(living: Project) -> None:
    pond = living.pond()

    async def once() -> str | None:
        async with pond.lifespan(), client_of(pond) as client:
            await client.get("/")
            return cache_of(await client.get("/"))

    assert asyncio.run(pond.build()).failures == []
    assert [asyncio.run(once()) for _ in range(2)] == ["HIT", "HIT"]


async def test_a_lifespan_that_fails_to_begin_fails_every_start_until_it_works(living: Project) -> None:
    await living.built()
    pond = living.pond()
    instrumented = import_project_file(living.folder / "instrumentation.py", living.folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(instrumented, "fail", "begin")
        for _ in range(2):
            with pytest.raises(ConnectionError, match="no database"):
                await start(pond)
    async with pond.lifespan(), client_of(pond) as client:
        assert (await client.get("/live")).json() == "connected"


async def test_a_start_that_is_refused_leaves_nothing_running(living: Project) -> None:
    await living.built()
    living.routes({"/added": "def GET(): return 1\n"})
    pond = living.pond()
    before = asyncio.all_tasks()
    for _ in range(2):
        with pytest.raises(BuildError, match=r"^app/added/route.py was added after the build; run `millpond build`"):
            await start(pond)
    await turns()
    assert asyncio.all_tasks() == before
    assert log_of(living) == ["register", *["begin", "end"] * 2]


async def test_a_server_is_told_why_a_start_failed(living: Project, caplog: pytest.LogCaptureFixture) -> None:
    await living.built()
    pond = living.pond(compat="14")
    sent: list[Message] = []
    incoming = iter([{"type": "lifespan.startup"}])

    async def receive() -> Message:
        return next(incoming)

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(BuildError):
        await pond({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    (message,) = sent
    assert message["type"] == "lifespan.startup.failed"
    assert message["message"] == (
        'the build was made with compat = "16", but the configuration now has "14"; run `millpond build` again.'
    )
    assert "Traceback" not in caplog.text


async def test_a_server_that_sends_lifespan_events_is_told_of_the_start_and_the_end(living: Project) -> None:
    await living.built()
    sent: list[str] = []
    incoming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Message:
        return next(incoming)

    async def send(message: Message) -> None:
        sent.append(message["type"])

    await living.pond()({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert log_of(living) == ["register", "begin", "end"]


async def test_an_instrumentation_without_register_is_a_warning(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.write({"instrumentation.py": "def registered(app): ...\n"})
    project.routes({"/": "def GET(): return 1"})
    async with project.serving() as running:
        assert (await running.get("/")).json() == 1
    assert "instrumentation.py has no function register(app), so it is ignored" in caplog.text


async def test_a_first_request_starts_it_without_the_lifespan_that_nobody_sends(
    living: Project,
) -> None:
    await living.built()
    pond = living.pond()
    async with client_of(pond) as client:
        answers = await asyncio.gather(*(client.get("/") for _ in range(5)))
        assert {cache_of(answer) for answer in answers} == {"HIT"}
    assert log_of(living) == ["register"]  # as in FastAPI, nobody has entered the lifespan


async def test_it_is_mounted_in_a_fastapi_application_with_its_lifespan(living: Project) -> None:
    await living.built()
    pond = living.pond()

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with pond.lifespan(app):
            yield

    outer = FastAPI(lifespan=life)

    @outer.get("/own")
    def own() -> str:
        return "outer"

    outer.mount("/pond", pond)
    async with outer.router.lifespan_context(outer), client_of(outer) as client:
        assert (await client.get("/own")).json() == "outer"
        assert cache_of(await client.get("/pond/")) == "HIT"
        assert (await client.get("/pond/live")).json() == "connected"
        assert (await client.get("/pond/health")).json() == "fine"
    assert log_of(living)[-1] == "end"


async def test_middleware_sees_every_request_and_is_added_before_the_start(living: Project) -> None:
    seen: list[str] = []

    class Outer:
        def __init__(self, app: object, name: str) -> None:
            self.app, self.name = app, name

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(self.name)
            await self.app(scope, receive, send)  # type: ignore[operator]

    await living.built()
    pond = living.pond()
    pond.add_middleware(Outer, name="first")
    pond.add_middleware(Outer, name="added last")
    async with pond.lifespan(), client_of(pond) as client:
        answer = await client.get("/")
        assert cache_of(answer) == "HIT"
        assert seen == ["added last", "first"]
        assert answer.headers["x-inner"] == "1"  # of the middleware that instrumentation.py adds
        await client.get("/unknown")
        assert len(seen) == 4
        with pytest.raises(RuntimeError, match="after an application has started"):
            pond.add_middleware(Outer, name="late")


@pytest.mark.usefixtures("project")  # which puts sys.path back
async def test_two_millponds_live_in_one_process(tmp_path: Path) -> None:
    ponds = []
    for name in ("one", "two"):
        project = Project(tmp_path / name, Clock())
        project.write(
            {
                "instrumentation.py": f"def register(app): app.state.name = '{name}'\n",
                "app/route.py": f"from . import said\nrevalidate = 60\ndef GET(): return said.WHAT + '{name}'\n",
                "app/said.py": f"WHAT = 'this is {name}: '\n",
                "app/live/route.py": "def GET(request): return request.app.state.name\n",
            }
        )
        store = MemoryStore(max_bytes=2**20, clock=project.clock)
        pond = Millpond(project.folder / "app", store=store, clock=project.clock)
        assert (await pond.build()).failures == []
        ponds.append(pond)
    one, two = ponds
    async with one.lifespan(), two.lifespan(), client_of(one) as at_one, client_of(two) as at_two:
        answers = [await client.get("/") for client in (at_one, at_two)]
        assert [(answer.json(), cache_of(answer)) for answer in answers] == [
            ("this is one: one", "HIT"),
            ("this is two: two", "HIT"),
        ]
        assert [(await client.get("/live")).json() for client in (at_one, at_two)] == ["one", "two"]
    forget(tmp_path)
