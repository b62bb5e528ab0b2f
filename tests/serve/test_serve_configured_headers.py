"""`[[headers]]`: on every answer of the paths that a pattern names, whoever gives it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from three_ways import Way, _Log

from millpond.serve.connection.bounded import bounded_protocol
from millpond.serve.connection.protocol import hit_protocol

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

ROUTES = {
    "/static": "dynamic = 'force-static'\ndef GET():\n    return {'a': 'still water ' * 50}\n",
    "/fresh": "revalidate = 60\ndef GET():\n    return 1\n",
    "/live": """
    from millpond import JSONResponse, headers


    def GET():
        return JSONResponse({"agent": headers().get("user-agent")}, headers={"X-Frame-Options": "SAMEORIGIN"})
    """,
    "/broken": "from millpond import headers\ndef GET():\n    headers().get('x')\n    raise ValueError\n",
    "/lost/[id]": "revalidate = 60\ndef generate_static_params():\n    return []\ndef GET(id):\n    raise ValueError\n",
    "/cookie": "from millpond import cookies\ndef GET():\n    cookies().set('a', 'b')\n    return 1\n",
    "/draft": "from millpond import draft_mode\ndef GET():\n    draft_mode().enable()\n    return 1\n",
}
INSTRUMENTATION = """
def register(app):
    @app.get("/declared")
    def declared():
        return "declared"
"""
DENY = {"source": "/[[...all]]", "name": "X-Frame-Options", "value": "DENY"}
DAY = {"source": "/[[...all]]", "name": "Cache-Control", "value": "public, max-age=86400"}


def header(source: str, value: str, name: str = "x-a") -> dict[str, str]:
    return {"source": source, "name": name, "value": value}


async def values(served: Running, path: str, name: str = "x-a", **options: Any) -> list[str]:
    return (await served.get(path, **options)).headers.get_list(name)


def socket_of(served: Running) -> Way:
    assert served.pond.hits is not None
    return Way(served.pond, hit_protocol(served.pond.config.server, served.pond.hits), _Log())


def asgi_of(served: Running) -> Way:
    return Way(served.pond, bounded_protocol(served.pond.config.server), _Log())


async def test_every_answer_has_a_header_that_is_for_all_paths(project: Project) -> None:
    project.routes(ROUTES)
    project.write({"instrumentation.py": INSTRUMENTATION, "app/robots.txt": "User-agent: *\n"})
    config: dict[str, Any] = {
        "headers": [DENY],
        "redirects": [{"source": "/old", "destination": "/new"}],
        "cors": {"allow_origins": ["https://a.example"]},
        "revalidate_endpoint": {"secret": "a secret of sixteen"},
        "server": {"max_path_bytes": 200, "max_header_bytes": 1000, "shutdown_timeout": 2.0},
    }
    await project.built(**config)
    asked: list[tuple[int, str, str, dict[str, str]]] = [
        (200, "GET", "/static", {}),
        (200, "GET", "/static", {}),
        (200, "HEAD", "/static", {}),
        (304, "GET", "/static", {"if-none-match": "*"}),
        (200, "GET", "/static", {"accept-encoding": "gzip"}),
        (200, "GET", "/live", {}),
        (200, "GET", "/declared", {}),
        (200, "GET", "/robots.txt", {}),
        (200, "GET", "/openapi.json", {}),
        (204, "OPTIONS", "/static", {}),
        (200, "OPTIONS", "/static", {"origin": "https://a.example", "access-control-request-method": "GET"}),
        (400, "OPTIONS", "/static", {"origin": "https://b.example", "access-control-request-method": "GET"}),
        (308, "GET", "/static/", {}),
        (308, "GET", "/old", {}),
        (308, "GET", "/a/../static", {}),
        (400, "GET", "/lost/%zz", {}),
        (401, "POST", "/api/revalidate", {}),
        (404, "GET", "/nothing", {}),
        (405, "POST", "/static", {}),
        (414, "GET", "/" + "a" * 300, {}),
        (414, "GET", "/a" * 70, {}),
        (431, "GET", "/static", {"x-long": "x" * 2000}),
        (500, "GET", "/broken", {}),
        (500, "GET", "/lost/1", {}),
    ]
    async with project.started(**config) as served:
        socket = socket_of(served)
        for status, method, path, headers in asked:
            lines = [f"{method} {path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers.items())]
            told = (await socket.say(["\r\n".join((*lines, "", "")).encode()])).written
            head = told.partition(b"\r\n\r\n")[0].decode()
            assert head.startswith(f"HTTP/1.1 {status} "), (method, path)
            assert [line for line in head.split("\r\n") if line.startswith("x-frame-options")] == [
                "x-frame-options: DENY"
            ], (method, path)


async def test_hits_have_the_same_bytes_at_the_socket_and_through_asgi(project: Project) -> None:
    project.routes({"/static": ROUTES["/static"]})
    hit = b"GET /static HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n"
    async with project.serving(headers=[DENY, header("/static", "Cookie", "vary")]) as served:
        await served.get("/static")
        at_socket = (await socket_of(served).say([hit, hit])).written
        assert (await asgi_of(served).say([hit, hit])).written == at_socket
    assert at_socket.count(b"x-frame-options: DENY\r\n") == 2
    assert at_socket.count(b"vary: accept-encoding, Cookie\r\n") == 2


async def test_a_header_that_hits_have_anew_each_second_can_be_configured_too(project: Project) -> None:
    project.routes({"/fresh": ROUTES["/fresh"]})
    hit = b"GET /fresh HTTP/1.1\r\nHost: x\r\n\r\n"
    config = {"cdn": {"cdn_cache_control": True}, "headers": [header("/fresh", "max-age=5", "CDN-Cache-Control")]}
    async with project.serving(**config) as served:
        await served.get("/fresh")
        for age in (0, 1):
            at_socket = (await socket_of(served).say([hit])).written
            assert (await asgi_of(served).say([hit])).written == at_socket
            assert re.findall(rb"(?:cdn-cache-control|age): [^\r]*", at_socket)[:1] == [b"age: %d" % age]
            assert at_socket.count(b"cdn-cache-control: max-age=5\r\n") == at_socket.count(b"cdn-cache-control") == 1
            project.clock.move(1)


async def test_of_two_headers_with_one_name_the_last_one_in_the_file_counts(project: Project) -> None:
    project.routes({"/docs/[...path]": "def GET(path: list[str]):\n    return path\n", "/docs": ROUTES["/fresh"]})
    headers = [
        header("/[[...all]]", "everywhere"),
        header("/docs/[...path]", "below"),
        header("/docs/api", "api"),
        header("/docs/[page]/x", "x", "X-B"),
    ]
    async with project.serving(headers=headers) as served:
        for _ in range(3):
            assert await values(served, "/docs") == ["everywhere"]
            assert await values(served, "/docs/a%2Fb") == ["below"]
            assert await values(served, "/docs/%61pi") == ["api"]
            assert await values(served, "/docs/a/x") == ["below"]
            assert await values(served, "/docs/a/x", "x-b") == ["x"]
            assert await values(served, "/docs/a%2Fx", "x-b") == []
            assert await values(served, "/docs/%zz") == ["below"]


async def test_patterns_are_below_the_base_path(project: Project) -> None:
    project.routes({"/static": ROUTES["/static"]})
    async with project.serving(base_path="/shop", headers=[header("/[[...all]]", "1"), DENY]) as served:
        for _ in range(3):
            assert await values(served, "/shop/static") == ["1"]
        assert b"x-a: 1\r\n" in (await socket_of(served).say([b"GET /shop/static HTTP/1.1\r\nHost: x\r\n\r\n"])).written
        assert await values(served, "/shop/nothing") == ["1"]
        assert await values(served, "/static") == []


async def test_a_configured_header_wins_over_a_handlers(project: Project) -> None:
    project.routes({"/live": ROUTES["/live"]})
    async with project.serving(headers=[DENY]) as served:
        assert await values(served, "/live", "x-frame-options") == ["DENY"]


async def test_a_configured_cache_control_is_for_answers_that_others_may_get(project: Project) -> None:
    project.routes(ROUTES)
    uncached = ["private, no-cache, no-store, max-age=0, must-revalidate"]
    async with project.serving(headers=[DAY]) as served:
        for path in ("/static", "/static", "/fresh", "/live"):
            assert await values(served, path, "cache-control") == ["public, max-age=86400"]
        for path in ("/cookie", "/broken", "/nothing"):
            assert await values(served, path, "cache-control") == []
        cookie = (await served.get("/draft")).headers["set-cookie"].partition(";")[0]
        assert await values(served, "/static", "cache-control", headers={"cookie": cookie}) == uncached


async def test_own_fetches_are_no_answers_to_clients(project: Project) -> None:
    project.routes(
        {
            "/static": ROUTES["/static"],
            "/asks": """
            from millpond import connection, fetch


            async def GET():
                await connection()
                answer = await fetch("/static", cache="no-store")
                return [answer.headers.get("x-frame-options"), answer.status_code]
            """,
        }
    )
    async with project.serving(headers=[DENY]) as served:
        for _ in range(2):
            assert (await served.get("/asks")).json() == [None, 200]


async def test_without_these_tables_nothing_is_around_the_application(project: Project) -> None:
    from millpond.config import parse_config
    from millpond.serve.outermost.layers import with_configured_headers

    pond = project.pond()
    assert with_configured_headers(pond, parse_config({}, "millpond.toml")) is pond
