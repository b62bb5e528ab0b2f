"""`millpond routes` and `explain` know what is no file: sockets, mounts, hosts, what the configuration answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cli_project import LIVE, call

if TYPE_CHECKING:
    from ponds import Project

MAIN = """\
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.responses import PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute

from millpond import Millpond


async def plain(request):
    return PlainTextResponse("")


class Endpoint:
    def __init__(self, scope, receive, send): ...


app = Millpond()


@app.get("/both/{number}")
def read(number: int): ...


@app.put("/both/{number}")
def write(number: int): ...


router = APIRouter(prefix="/inner")


@router.websocket("/talk")
async def talk(socket: WebSocket): ...


app.include_router(router, prefix="/outer")
sub = FastAPI()


@sub.get("/x")
def inside(): ...


app.mount("/sub", sub)
app.mount("/static", StaticFiles(directory="."))
app.router.routes += [
    Route("/class", Endpoint),
    Host("api.example.org", Router([Route("/h", plain)])),
    Mount("/m", routes=[Route("/deep/{x:int}", plain), WebSocketRoute("/socket", talk)]),
]
"""
CONFIG = """\
[revalidate_endpoint]
secret = "0123456789abcdef0123456789abcdef"

[[redirects]]
source = "/old/[slug]"
destination = "/both/[slug]"
"""


@pytest.fixture
def declared(project: Project) -> Project:
    project.routes({"/file": LIVE})
    project.write({"main.py": MAIN, "millpond.toml": CONFIG})
    return project


def test_routes_that_are_no_files_are_listed(declared: Project, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(declared.folder, capsys, "routes", "--dir", str(declared.folder), "--json")
    listed = [(route["pattern"], route["methods"], route["file"], route["why"]) for route in done.facts["routes"]]
    own = "main.py", "declared in code"
    assert listed == [
        ("/api/revalidate", ["POST"], None, "[revalidate_endpoint]"),
        ("/both/{number}", ["GET"], *own),
        ("/both/{number}", ["PUT"], *own),
        ("/class", [], *own),
        ("/file", ["GET"], "app/file/route.py", "GET is live by default (compat 16)"),
        ("/m", [], "starlette.routing", "mounted: Router"),
        ("/m/deep/{x:int}", ["GET", "HEAD"], *own),
        ("/m/socket", ["WebSocket"], *own),
        ("/old/[slug]", [], None, "[[redirects]]: 308 to /both/[slug]"),
        ("/outer/inner/talk", ["WebSocket"], *own),
        ("/static", [], "starlette.staticfiles", "mounted: StaticFiles"),
        ("/sub", [], "fastapi.applications", "mounted: FastAPI"),
        ("/sub/x", ["GET"], *own),
        ("api.example.org", [], "starlette.routing", "mounted: Router"),
        ("api.example.org/h", ["GET", "HEAD"], *own),
    ]
    assert done.facts["fastapi"] == ["/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"]
    table = call(declared.folder, capsys, "routes", "--dir", str(declared.folder)).out
    assert "  FastAPI's own: /openapi.json, /docs, /docs/oauth2-redirect, /redoc\n" in table
    assert "→  redirect: before every route, for all methods" in table


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/both/1", {"route": "/both/{number}", "methods": ["GET", "PUT"], "status": None}),
        ("/outer/inner/talk", {"route": "/outer/inner/talk", "methods": ["WebSocket"], "status": 404}),
        ("/m/socket", {"route": "/m/socket", "status": 404, "rule": "404 for GET: the path is a WebSocket's"}),
        ("/m/deep/3", {"route": "/m/deep/{x:int}", "file": "main.py", "status": None}),
        ("/m/deep/x", {"route": "/m", "why": "mounted: Router", "status": None}),
        ("/sub/x", {"route": "/sub/x", "file": "main.py", "methods": ["GET"]}),
        ("/static/main.py", {"route": "/static", "why": "mounted: StaticFiles"}),
        ("/class", {"route": "/class", "file": "main.py", "status": None}),
        ("/class/", {"status": 307, "location": "/class"}),
        ("/sub", {"status": 307, "location": "/sub/"}),
        ("/h", {"status": 404, "route": None}),
        ("https://api.example.org/h", {"route": "api.example.org/h", "file": "main.py", "path": "/h"}),
        ("https://www.example.org/h", {"status": 404, "route": None}),
        ("/api/revalidate", {"status": 405, "methods": ["POST"]}),
        ("/old/1", {"status": 308, "location": "/both/1"}),
        ("/docs", {"route": "/docs", "file": None, "why": None}),
    ],
)
def test_a_path_that_is_no_files_is_explained(
    declared: Project, capsys: pytest.CaptureFixture[str], path: str, wanted: dict[str, Any]
) -> None:
    facts = call(declared.folder, capsys, "explain", path, "--dir", str(declared.folder), "--json").facts
    assert {name: facts[name] for name in wanted} == wanted
