"""A visitor's request that code keeps in a global: a render for everybody that reads it is live from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ponds import cache_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

KEPT = """
from millpond import cookies, headers
from held import Held
dynamic = "force-dynamic"
async def GET(request):
    request.state.user = request.headers["x-user"]
    Held.request, Held.scope = request, request.scope
    Held.headers, Held.cookies, Held.query = request.headers, request.cookies, request.query_params
    Held.url, Held.state = request.url, request.state
    Held.said, Held.sent = headers(), cookies()
    return 1
"""
READS = [
    "Held.request.headers['x-user']",
    "Held.request.method",
    "Held.request.path_params",
    "Held.request.state.user",
    "Held.request.url.path",
    "Held.request['path']",
    "dict(Held.request)",
    "Held.request.scope",
    "await Held.request.body()",
    "Held.headers['x-user']",
    "Held.cookies['user']",
    "Held.query['q']",
    "Held.url",
    "Held.state.user",
    "Held.state['user']",
    "Held.said['x-user']",
    "Held.sent['user']",
    "dict(Held.scope['headers'])",
    "Held.scope['query_string'].decode()",
    "Held.scope['client'][0]",
]
CONFIGS = {"revalidate = 60": "revalidate", 'dynamic = "force-static"': "forced"}


def _routes() -> dict[str, str]:
    return {
        f"/{name}{number}/[n]": f"from held import Held\n{config}\nasync def GET(n): return str({read})\n"
        for config, name in CONFIGS.items()
        for number, read in enumerate(READS)
    }


@pytest.mark.parametrize("compat", ["14", "16"])
async def test_nothing_of_a_visitors_request_is_stored_by_a_render(project: Project, compat: str) -> None:
    project.config = {"compat": compat}
    project.write({"held.py": "class Held: pass\n"})
    project.routes({"/keeps": KEPT, **_routes()})
    async with project.started() as running:
        await running.get("/keeps?q=alice", headers={"x-user": "alice", "cookie": "user=alice"})
        for path in _routes():
            answer = await running.get(path.replace("[n]", "1"))
            assert (answer.status_code, cache_of(answer)) == (200, None), path
        assert [entry for entry in running.pond.store.entries() if entry.kind == "response"] == []


async def test_a_render_reads_its_own_made_up_request_as_far_as_that_is_free(project: Project) -> None:
    project.write(
        {
            "instrumentation.py": """
            def register(app):
                from starlette.middleware.base import BaseHTTPMiddleware
                @lambda function: app.add_render_middleware(BaseHTTPMiddleware, dispatch=function)
                async def named(request, call_next):
                    request.state.shop = "oak"
                    return await call_next(request)
            """
        }
    )
    source = """
    {config}
    async def GET(request):
        return [request.state.shop, request["path"], request.url.path, request.method, len(request.headers{more})]
    """
    project.routes(
        {
            "/a": source.format(config="revalidate = 60", more=" and ''").replace("request.headers and ''", "''"),
            "/b": source.format(config='dynamic = "force-static"', more=""),
        }
    )
    async with project.serving() as running:
        for path in ("/a", "/b"):
            answer = await running.get(path)
            assert (answer.json(), cache_of(answer)) == (["oak", path, path, "GET", 0], "HIT")
