"""What a request leaves behind: nothing that only the garbage collector could free, as a collection stops everybody."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

from millpond import static

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

    from ponds import Project

pytestmark = pytest.mark.anyio

ROUTES = {
    "/hit": "revalidate = 60\nasync def GET(): return 1",
    "/live": "dynamic = 'force-dynamic'\nasync def GET(): return 1",
    "/items/[id]": "dynamic = 'force-dynamic'\nasync def GET(id: int): return id",
}


class ServerCycle:
    """One request as a server keeps it, which `receive` and `send` refer to: and these know the scope."""

    def __init__(self, path: str) -> None:
        raw, _, query = path.partition("?")
        self.scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": raw,
            "raw_path": raw.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"test")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        self.status = 0

    async def receive(self) -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        self.status = message.get("status", self.status)

    async def run(self, app: ASGIApp) -> int:
        await app(self.scope, self.receive, self.send)
        return self.status


@pytest.fixture
def collected_types() -> Any:
    """A function that answers one request, and names the types of what it leaves to the collector."""

    async def ask(app: ASGIApp, path: str, expected: int) -> set[str]:
        for _ in range(3):  # caches are filled by the first ones
            assert await ServerCycle(path).run(app) == expected
        gc.collect()
        gc.disable()
        try:
            await ServerCycle(path).run(app)
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            return {type(left).__name__ for left in gc.garbage}
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    return ask


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/hit", 200),
        ("/live", 200),
        ("/items/7", 200),
        ("/items/x", 422),
        ("/nowhere", 404),
        ("/declared", 200),
        ("/static/7", 200),
        ("/turned/7", 200),
    ],
)
async def test_a_request_leaves_nothing_to_the_garbage_collector(
    project: Project, collected_types: Any, path: str, status: int
) -> None:
    project.routes(ROUTES)
    pond = project.pond()

    @pond.get("/declared")
    async def declared() -> int:
        return 1

    @pond.get("/static/{number}")
    @static(revalidate=60)
    async def kept(number: int) -> int:
        return number

    @pond.get("/turned/{number}")
    @static(dynamic="force-dynamic")
    async def live(number: int) -> int:
        return number

    async with pond.lifespan():
        assert await collected_types(pond, path, status) == set()
