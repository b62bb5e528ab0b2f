"""What becomes of one path: in this process, and at a server."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from millpond import static
from millpond.cli.warming.inside import inside_of
from millpond.errors import CommandError
from millpond.metadata.sitemap import MOST_BYTES
from millpond.serve.layers.failures import LoggedFailures
from millpond.warm.built_modes import BuiltModes
from millpond.warm.outcome import Outcome
from millpond.warm.sitemap_reading import pages_of
from millpond.warm.warm_server import WarmServer

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

ORIGIN = "http://shop.example"
ITEMS = """
    revalidate = 60
    calls = []

    def generate_static_params():
        return [{"id": "1"}]

    def GET(id: str):
        calls.append(id)
        if id == "bad":
            raise ValueError("no data")
        return id
"""
LIVE = """
    from millpond import headers

    calls = []

    def GET():
        calls.append(headers()["user-agent"])
        return "live"
"""
SEARCH = """
    cache_query = ["q"]
    revalidate = 60

    def GET(q: str = ""):
        return q
"""
CLOSED = """
    dynamic = "force-static"
    dynamic_params = False

    def generate_static_params():
        return [{"id": "1"}]

    def GET(id: str):
        return id
"""
TURNS = """
    dynamic_params = True
    revalidate = 60

    def generate_static_params():
        return []

    def GET(request, id: str):
        return request.headers["x"]
"""
POST = "def POST(): ...\n"
ROUTES = {
    "/items/[id]": ITEMS,
    "/live": LIVE,
    "/search": SEARCH,
    "/closed/[id]": CLOSED,
    "/turns/[id]": TURNS,
    "/post": POST,
}
REDIRECTS = [
    {"source": "/old/[id]", "destination": "/items/[id]"},
    {"source": "/away", "destination": "https://other.example/"},
    *({"source": f"/far/{number}", "destination": f"/far/{number + 1}"} for number in range(5)),
]


def at_server(running: Running, *, modes: BuiltModes | None = None, live: bool = False) -> WarmServer:
    transport = httpx2.ASGITransport(LoggedFailures(running.pond))
    return WarmServer(ORIGIN, "millpond-warm/1", modes, 4, 5.0, live=live, transport=transport)


def calls(running: Running, pattern: str) -> list[str]:
    found: list[str] = running.module(pattern).calls
    return found


async def test_in_this_process_paths_are_rendered_once_and_live_routes_are_left_alone(project: Project) -> None:
    project.routes(ROUTES)
    project.write({"public/file.txt": "x"})
    async with project.serving(redirects=REDIRECTS) as pond:
        warms = await inside_of(pond.pond)
        for path, outcome, status, why in (
            ("/items/1", Outcome.HIT, 200, None),
            ("/items/2", Outcome.RENDERED, 200, None),
            ("/items/2?utm_source=x", Outcome.HIT, 200, None),
            ("/items/3/", Outcome.RENDERED, 200, None),
            ("/old/4", Outcome.RENDERED, 200, None),
            ("/items/bad", Outcome.FAILED, 500, "ValueError: no data"),
            ("/search?q=a&utm=b", Outcome.RENDERED, 200, None),
            ("/search?utm=c&q=a", Outcome.HIT, 200, None),
            ("/closed/1", Outcome.HIT, 200, None),
            ("/closed/2", Outcome.FAILED, 404, "dynamic_params = False, and the path isn't listed"),
            ("/live", Outcome.SKIPPED, None, "live: GET is live by default (compat 16)"),
            ("/post", Outcome.SKIPPED, 405, "it has no GET"),
            ("/file.txt", Outcome.SKIPPED, None, "a file: public/file.txt"),
            ("/nowhere", Outcome.SKIPPED, None, "live: no route that has a cache answers it"),
            ("/away", Outcome.SKIPPED, 308, "it redirects: another host, https://other.example"),
            ("/far/0", Outcome.SKIPPED, 308, "it redirects again and again"),
            ("/%zz", Outcome.SKIPPED, None, "live: no route that has a cache answers it"),
        ):
            warmed = await warms.warm(path)
            assert warmed[:4] == (path, outcome, status, why), path
        turned = await warms.warm("/turns/1")
        assert turned.outcome is Outcome.SKIPPED
        assert (turned.why or "").startswith("live: ")
        assert calls(pond, "/items/[id]") == ["2", "3", "4", "bad"]
        assert calls(pond, "/live") == []
        assert await pond.cache("/items/2") == "HIT"
        assert await pond.cache("/search?q=a") == "HIT"


async def test_with_live_they_are_called_once_and_nothing_else_of_theirs(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as pond:
        warms = await inside_of(pond.pond, live=True)
        assert (await warms.warm("/live"))[:3] == ("/live", Outcome.LIVE, 200)
        assert (await warms.warm("/nowhere"))[:3] == ("/nowhere", Outcome.FAILED, 404)
        assert calls(pond, "/live") == ["millpond-warm"]


async def test_a_stale_answer_is_rendered_anew_before_it_counts(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as pond:
        project.clock.move(61)
        warms = await inside_of(pond.pond)
        assert (await warms.warm("/items/1")).outcome is Outcome.RENDERED
        assert await pond.cache("/items/1") == "HIT"


@pytest.mark.parametrize("base_path", ["", "/docs"])
async def test_endpoints_in_code_are_warmed_too(project: Project, base_path: str) -> None:
    pond = project.pond(base_path=base_path)

    @pond.get("/prices/{id}")
    @static(revalidate=60)
    def price(id: int) -> int:  # noqa: A002
        return id

    async with pond.lifespan():
        warms = await inside_of(pond)
        assert (await warms.warm(f"{base_path}/prices/7")).outcome is Outcome.RENDERED
        assert (await warms.warm(f"{base_path}/prices/7")).outcome is Outcome.HIT
        assert (await warms.warm(f"{base_path}/prices/seven")).outcome is not Outcome.RENDERED
        if base_path:
            outside = await warms.warm("/prices/8")
            assert (outside.outcome, outside.why) == (Outcome.SKIPPED, "it is outside of base_path")


async def test_below_a_base_path_whole_paths_are_asked_for(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving(base_path="/docs") as pond:
        warms = await inside_of(pond.pond, live=True)
        assert (await warms.warm("/docs/items/2")).outcome is Outcome.RENDERED
        assert (await warms.warm("/docs/live")).outcome is Outcome.LIVE
        assert (await warms.warm("/items/3")).outcome is Outcome.FAILED
        assert await pond.cache("/docs/items/2") == "HIT"


async def test_a_server_is_asked_as_a_client_does(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving(redirects=REDIRECTS) as pond, at_server(pond) as warms:
        for path, outcome, status in (
            ("/items/1", Outcome.HIT, 200),
            ("/items/2", Outcome.RENDERED, 200),
            ("/old/3", Outcome.RENDERED, 200),
            ("/items/bad", Outcome.FAILED, 500),
            ("/nowhere", Outcome.FAILED, 404),
            ("/live", Outcome.LIVE, 200),
            ("/away", Outcome.SKIPPED, 308),
            ("/far/0", Outcome.SKIPPED, 308),
        ):
            warmed = await warms.warm(path)
            assert warmed[:3] == (path, outcome, status), path
        assert calls(pond, "/live") == ["millpond-warm/1"]
        project.clock.move(61)
        assert (await warms.warm("/items/1")).outcome is Outcome.STALE
        await pond.settle()


async def test_a_build_that_is_here_tells_what_is_live_before_the_server_is_asked(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving(base_path="/docs") as pond:
        manifest = pond.pond.manifest()
        assert manifest is not None
        modes = BuiltModes(manifest, "/docs")
        async with at_server(pond, modes=modes) as warms:
            assert (await warms.warm("/docs/live")).outcome is Outcome.SKIPPED
            assert (await warms.warm("/docs/items/2?x=y")).outcome is Outcome.RENDERED
            assert (await warms.warm("/docs/closed/1")).outcome is Outcome.HIT
        async with at_server(pond, modes=modes, live=True) as warms:
            assert (await warms.warm("/docs/live")).outcome is Outcome.LIVE
        assert modes.why_live("/elsewhere") is None
        assert modes.why_live("/docs/unknown") is None
        assert modes.why_live("/docs/%zz") is None
        assert len(calls(pond, "/live")) == 1


async def test_a_stream_without_an_end_and_a_server_that_isnt_there_are_told() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(80):
            await send({"type": "http.response.body", "body": b"x" * 2**20, "more_body": True})
        await send({"type": "http.response.body"})

    async with WarmServer(ORIGIN, "a", None, 1, 5, transport=httpx2.ASGITransport(app)) as warms:
        assert (await warms.warm("/stream")).why == "it has more than 67108864 bytes"
        assert await warms.read("/stream", 100) is None
    async with WarmServer("http://127.0.0.1:1", "a", None, 1, 5) as warms:
        with pytest.raises(CommandError, match=r"http://127\.0\.0\.1:1 can't be reached: .*Is the server running\?"):
            await warms.warm("/a")


async def test_a_server_that_goes_away_meanwhile_fails_path_by_path() -> None:
    is_there = True

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if not is_there:
            raise httpx2.ConnectError("refused")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async with WarmServer(ORIGIN, "a", None, 1, 5, transport=httpx2.ASGITransport(app)) as warms:
        assert (await warms.warm("/a")).outcome is Outcome.LIVE
        is_there = False
        assert (await warms.warm("/b"))[1:4] == (Outcome.FAILED, None, "ConnectError: refused")


async def test_equal_paths_at_a_time_are_one_render(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as pond:
        warms = await inside_of(pond.pond)
        await asyncio.gather(*(warms.warm("/items/5") for _ in range(10)))
        assert calls(pond, "/items/[id]") == ["5"]


async def test_a_sitemap_that_a_server_compresses_unasked_is_unpacked_within_bounds() -> None:
    page = b"<urlset><url><loc>https://x.example/a</loc></url></urlset>"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = gzip.compress(page if scope["path"] == "/sitemap.xml" else b" " * (MOST_BYTES + 2))
        status = 404 if scope["path"] == "/robots.txt" else 200
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-encoding", b"gzip")]})
        await send({"type": "http.response.body", "body": body})

    async with WarmServer(ORIGIN, "a", None, 1, 5, transport=httpx2.ASGITransport(app)) as warms:
        found = await pages_of(warms, 10, (ORIGIN,), more=["/bomb.xml"])
    assert found.paths == ["/a"]
    assert [note.partition(" can't")[0] for note in found.notes] == ["/bomb.xml"]
