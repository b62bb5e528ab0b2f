"""HTTP/2 by `uvicorn --http zttp --http2`, where zttp is installed: .ci/run does it with the newest releases."""

from __future__ import annotations

import asyncio
import importlib.util
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
import pytest
import uvicorn

from millpond.serve.processes.addresses import bind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ponds import Project

HTTP2 = pytest.mark.skipif(
    not (importlib.util.find_spec("zttp") and importlib.util.find_spec("h2")),
    reason="needs zttp, and h2 for the client",
)
pytestmark = [HTTP2, pytest.mark.anyio]

ROUTES = {
    "/page": "revalidate = 60\ndef GET():\n    return {'text': 'x' * 1000}\n",
    "/live": "from fastapi import Request\ndef GET(request: Request):\n    return request.scope['http_version']\n",
    "/echo": "from fastapi import Request\nasync def POST(request: Request):\n    return len(await request.body())\n",
    "/stream": (
        "from fastapi import Request\nfrom fastapi.responses import StreamingResponse\n"
        "def GET(request: Request):\n    return StreamingResponse(iter(['a' * 50_000] * 4))\n"
    ),
}


@asynccontextmanager
async def served(project: Project) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that speaks HTTP/2 only, of the built project under uvicorn."""
    project.routes(ROUTES)
    await project.built()
    (sock,) = bind("127.0.0.1", 0)
    port = sock.getsockname()[1]
    config = uvicorn.Config(project.pond(), http="zttp", http2=True, lifespan="on", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([sock]))
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", http1=False, http2=True) as client:
            yield client
    finally:
        server.should_exit = True
        await serving


async def test_hits_live_answers_bodies_and_streams_go_over_http2(project: Project) -> None:
    async with served(project) as client:
        page = await client.get("/page")
        assert (page.http_version, page.headers["x-nextjs-cache"]) == ("HTTP/2", "HIT")
        assert page.json() == {"text": "x" * 1000}
        assert (await client.get("/live")).json() == "2"
        assert (await client.post("/echo", content=b"x" * 100_000)).json() == 100_000
        assert len((await client.get("/stream")).text) == 200_000
        assert (await client.get("/nothing")).status_code == 404


async def test_conditional_and_bodiless_requests_are_answered_over_http2(project: Project) -> None:
    async with served(project) as client:
        page = await client.get("/page")
        assert (await client.get("/page", headers={"if-none-match": page.headers["etag"]})).status_code == 304
        head = await client.head("/page")
        assert (head.content, head.headers["content-length"]) == (b"", page.headers["content-length"])


async def test_requests_of_one_connection_are_answered_at_once_over_http2(project: Project) -> None:
    async with served(project) as client:
        paths = ["/page", "/live", "/nothing"] * 20
        answers = await asyncio.gather(*(client.get(path) for path in paths))
        assert [answer.status_code for answer in answers] == [200, 200, 404] * 20
