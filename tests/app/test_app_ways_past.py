"""Ways past what stands in front of the application, or into another visitor's answer: none is open."""

import asyncio
import logging
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from fastapi.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from millpond import Millpond
from ponds import Project, cache_of, client_of

pytestmark = pytest.mark.anyio

ROUTES = {
    "/s": "revalidate = 60\ndef GET(): return 's'\n",
    "/m/s": "revalidate = 60\ndef GET(): return 'm/s'\n",
    "/live": "dynamic = 'force-dynamic'\ndef GET(): return 'live'\n",
    "/admin": "revalidate = 60\ndef GET(): return 'admin'\n",
    "/t/[tenant]/s": "revalidate = 60\ndef GET(tenant): return tenant\n",
    "/all/[...rest]": "revalidate = 60\ndef GET(rest: list[str]): return rest\n",
    "/caused": (
        "revalidate = 60\ndef GET():\n    try: {}['inner']\n"
        "    except KeyError as error: raise RuntimeError('outer') from error\n"
    ),
}


@pytest.fixture
def shop(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    project.routes(ROUTES)
    monkeypatch.chdir(project.folder)
    return project


class Auth:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not any(name == b"x-key" for name, _ in scope["headers"]):
            await PlainTextResponse("who are you?", 401)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class Guarded(Millpond):
    def build_middleware_stack(self) -> ASGIApp:
        return Auth(super().build_middleware_stack())


@pytest.mark.parametrize("how", ["a subclass's stack", "a stack that is put in place"])
async def test_what_a_user_builds_around_the_stack_guards_every_answer(shop: Project, how: str) -> None:
    app = (Guarded if how == "a subclass's stack" else Millpond)("app")
    if how != "a subclass's stack":
        app.middleware_stack = Auth(app.build_middleware_stack())
    async with app.lifespan(), client_of(app) as client:
        for path in ("/s", "/live", "/nothing"):
            for _ in range(3):
                await client.get(path, headers={"x-key": "1"})
                assert (await client.get(path)).status_code == 401, path
        assert app.hits is not None
        assert not app.hits.at_socket


async def test_a_path_that_middleware_has_rewritten_counts(shop: Project) -> None:
    app = Millpond("app")

    class Tenants:
        def __init__(self, inner: ASGIApp) -> None:
            self.inner = inner

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            tenant = dict(scope["headers"]).get(b"x-tenant", b"none").decode()
            await self.inner({**scope, "path": f"/t/{tenant}{scope['path']}"}, receive, send)

    app.add_middleware(Tenants)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        for _ in range(3):
            for tenant in ("a", "b"):
                assert (await client.get("/s", headers={"x-tenant": tenant})).json() == tenant


async def test_a_server_that_tells_no_raw_path_has_decoded_it(shop: Project) -> None:
    async def asked(path: str) -> int:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "scheme": "http"}
        await app({**scope, "asgi": {"version": "3.0"}, "server": ("x", 80), "client": None}, receive, send)
        return int(sent[0]["status"])

    app = Millpond("app")
    assert [await asked(path) for path in ("/admin", "/%61dmin", "/all/50%", "/t/100%/s")] == [200, 404, 200, 200]


def test_a_mount_in_another_spelling_leads_to_the_same_route(shop: Project) -> None:
    parent = FastAPI()
    parent.mount("/m", Millpond("app"))
    client = TestClient(parent)
    assert [client.get(path).json() for path in ("/m/s", "/%6d/s", "/m/m/s", "/%6d/m/s")] == ["s", "s", "m/s", "m/s"]


async def test_who_changes_the_parameters_of_a_path_changes_them_for_nobody_else(shop: Project) -> None:
    seen: list[Any] = []
    app = Millpond("app")

    class Changing:
        def __init__(self, inner: ASGIApp) -> None:
            self.inner = inner

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.inner(scope, receive, send)
            if scope["type"] == "http":
                seen.append([*scope["path_params"]["rest"]])
                scope["path_params"]["rest"].append("mine")

    app.add_middleware(Changing)
    async with app.lifespan(), client_of(app) as client:
        for _ in range(4):
            assert (await client.get("/all/a/b")).json() == ["a", "b"]
    assert seen == [["a", "b"]] * 4


def test_the_cause_of_an_error_in_a_render_is_kept(shop: Project) -> None:
    with TestClient(Millpond("app")) as client:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="outer") as raised:
                client.get("/caused")
            assert isinstance(raised.value.__cause__, KeyError)


@pytest.mark.parametrize("raises", [True, False])
async def test_a_server_is_told_of_an_async_register_that_fails(shop: Project, raises: bool) -> None:
    failing = "raise RuntimeError('collector down')" if raises else "pass"
    shop.write({"instrumentation.py": f"async def register(app):\n    {failing}\n"})
    app, sent = Millpond("app"), list[Message]()
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    serving = app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    if raises:
        with pytest.raises(RuntimeError, match="collector down"):
            await serving
        assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
        assert "collector down" in sent[0]["message"]
    else:
        await serving
        assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_several_event_loops_wait_for_one_async_register(shop: Project) -> None:
    shop.write({"instrumentation.py": "import asyncio\nasync def register(app): await asyncio.sleep(0.05)\n"})
    app = Millpond("app")

    async def asked() -> int:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://x") as client:
            return (await client.get("/s")).status_code

    async def together() -> list[int]:
        return await asyncio.gather(*(asyncio.to_thread(asyncio.run, asked()) for _ in range(3)))

    assert asyncio.run(together()) == [200] * 3


async def test_a_lifespan_within_a_lifespan_ends_nothing(shop: Project) -> None:
    pond = shop.pond()
    async with pond.lifespan(), client_of(pond) as client:
        async with pond.lifespan():
            await client.get("/s")
        assert cache_of(await client.get("/s")) == "HIT"
    async with pond.lifespan(), client_of(pond) as client:
        assert (await client.get("/s")).status_code == 200


async def test_a_request_of_a_mounted_millpond_is_one_line_of_the_log(
    shop: Project, caplog: pytest.LogCaptureFixture
) -> None:
    outer, inner = Millpond(), Millpond("app")
    outer.mount("/two", inner)
    with caplog.at_level(logging.INFO, "millpond.access"):
        async with outer.lifespan(), inner.lifespan(), client_of(outer) as client:
            await client.get("/two/s")
            await client.get("/s%0aGET%20/admin%20200")
    lines = [record.getMessage() for record in caplog.records if record.name == "millpond.access"]
    assert len(lines) == 2
    assert lines[0].startswith("GET /two/s ")
    assert "\n" not in lines[1]
