"""`[[redirects]]`: requests that are sent elsewhere before anything else looks at them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from three_ways import Way, _Log

from millpond.serve.connection.protocol import hit_protocol
from ponds import client_of

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

STATIC = "dynamic = 'force-static'\ndef GET():\n    return 1\n"


def redirect(source: str, destination: str, **others: Any) -> dict[str, Any]:
    return {"source": source, "destination": destination, **others}


async def location(served: Running, path: str, method: str = "GET", **options: Any) -> tuple[int, str | None]:
    answer = await served.client.request(method, path, **options)
    return answer.status_code, answer.headers.get("location")


async def written(served: Running, head: bytes) -> bytes:
    """What is answered at the socket to a head, as bytes."""
    assert served.pond.hits is not None
    way = Way(served.pond, hit_protocol(served.pond.config.server, served.pond.hits), _Log())
    return (await way.say([head + b"\r\nHost: x\r\n\r\n"])).written


async def test_a_redirect_has_its_status_and_its_destination(project: Project) -> None:
    redirects = [
        redirect("/old/[slug]", "/new/[slug]"),
        redirect("/temporary", "/new", status=307),
        redirect("/moved/[[...path]]", "https://new.example/[[...path]]", status=301, keep_query=False),
    ]
    async with project.started(redirects=redirects) as served:
        assert await location(served, "/old/x?a=1&b=2") == (308, "/new/x?a=1&b=2")
        assert await location(served, "/old/x/") == (308, "/new/x")
        assert await location(served, "/temporary", "POST") == (307, "/new")
        assert await location(served, "/temporary", "HEAD") == (307, "/new")
        assert await location(served, "/moved?a=1") == (301, "https://new.example")
        assert await location(served, "/moved/a/b?a=1") == (301, "https://new.example/a/b")
        assert await location(served, "/old") == (404, None)
        assert await written(served, b"GET /temporary HTTP/1.1") == (
            b"HTTP/1.1 307 Temporary Redirect\r\ndate: Fri, 27 Nov 2026 12:00:00 GMT\r\n"
            b"location: /new\r\ncontent-length: 0\r\n\r\n"
        )


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/old//evil.example", "/new/evil.example"),
        ("//old/evil.example", "/new/evil.example"),
        ("/old/%2F%2Fevil.example", "/new/%2F%2Fevil.example"),
        ("/old/%5Cevil.example", "/new/%5Cevil.example"),
        ("/old/a%0D%0Aset-cookie:%20a=b", "/new/a%0D%0Aset-cookie:%20a=b"),
        ("/old/a%2Fb", "/new/a%2Fb"),
        ("/old/%E2%82%AC", "/new/%E2%82%AC"),
        ("/old/x?next=//evil.example&a=%0d%0a", "/new/x?next=//evil.example&a=%0d%0a"),
    ],
)
async def test_what_a_visitor_writes_stays_a_segment_of_the_destination(
    project: Project, path: str, leads_to: str
) -> None:
    async with project.started(redirects=[redirect("/old/[slug]", "/new/[slug]")]) as served:
        answer = await written(served, f"GET {path} HTTP/1.1".encode())
    assert answer.startswith(b"HTTP/1.1 308 ")
    assert f"\r\nlocation: {leads_to}\r\n".encode() in answer


async def test_the_first_segment_of_a_destination_is_never_a_host(project: Project) -> None:
    async with project.started(redirects=[redirect("/go/[...to]", "/[...to]")]) as served:
        for path in ("/go//evil.example/x", "/go/%2Fevil.example", "/go/%09/evil.example", "/go/%5C%5Cevil.example"):
            assert b"\r\nlocation: /" in (answer := await written(served, f"GET {path} HTTP/1.1".encode()))
            assert b"\r\nlocation: //" not in answer
            assert b"\\" not in answer
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "//evil.example/go/x", "headers": []}
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await served.pond({**scope, "root_path": "//evil.example"}, None, send)  # type: ignore[arg-type]
    assert sent[0]["headers"][0] == (b"location", b"/evil.example/x")


@pytest.mark.parametrize(
    ("path", "status", "leads_to"),
    [
        ("/old/%zz", 400, None),
        ("/old/%ff", 400, None),
        ("/old/%00", 400, None),
        ("/old/" + "a" * 300, 414, None),
        ("/old/x?" + "a" * 300, 414, None),
        ("/old" + "/a" * 70, 414, None),
        ("/old/..", 308, "/"),
        ("/old/../other", 308, "/other"),
        ("/old/%2e%2e/%2e%2e/other/", 308, "/other/"),
        ("/other/../old/x", 308, "/old/x"),
    ],
)
async def test_a_path_that_means_another_one_or_none_gets_the_answer_that_it_always_gets(
    project: Project, path: str, status: int, leads_to: str | None
) -> None:
    project.routes({"/[[...all]]": "def GET():\n    return 1\n"})
    redirects = [redirect("/old/[...rest]", "https://new.example/[...rest]")]
    bounds = {"max_path_bytes": 200, "shutdown_timeout": 2.0}
    async with project.started(redirects=redirects, server=bounds) as served:
        answer = await written(served, f"GET {path} HTTP/1.1".encode())
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert leads_to is None or f"\r\nlocation: {leads_to}\r\n".encode() in answer


async def test_source_and_destination_are_below_the_base_path(project: Project) -> None:
    project.routes({"/new/[slug]": "def GET(slug):\n    return slug\n"})
    redirects = [redirect("/old/[slug]", "/new/[slug]"), redirect("/", "https://new.example/")]
    async with project.started(base_path="/shop", redirects=redirects) as served:
        assert await location(served, "/shop/old/x") == (308, "/shop/new/x")
        assert await location(served, "/shop") == (308, "https://new.example/")
        assert await location(served, "/old/x") == (404, None)
        outer = Starlette(routes=[Mount("/site", served.pond)])
        async with client_of(outer) as client:
            answer = await client.get("/site/shop/old/x")
            assert (answer.status_code, answer.headers["location"]) == (308, "/site/shop/new/x")
            answer = await client.get("/site/shop/old/x", follow_redirects=True)
            assert (answer.status_code, answer.json()) == (200, "x")


async def test_a_path_with_a_redirect_is_never_a_hit(project: Project) -> None:
    asking = """
    from millpond import connection, fetch


    async def GET():
        await connection()
        return [(await fetch(path, cache="no-store")).json() for path in ("/plain", "/items/1", "/items/2")]
    """
    project.routes(
        {"/plain": STATIC, "/items/[id]": STATIC + "def generate_static_params():\n    return []\n", "/asks": asking}
    )
    redirects = [redirect("/plain", "/new"), redirect("/items/1", "/new")]
    async with project.serving(redirects=redirects) as served:
        for _ in range(3):  # an own fetch is no request of a client, and makes the paths known
            assert await served.body("/asks") == "[1,1,1]"
        hits = served.pond.hits
        assert hits is not None
        assert [hits.cached_path(path) is None for path in (b"/plain", b"/items/1", b"/items/2")] == [True, True, False]
        for path in ("/plain", "/items/1", "/plain?a=1"):
            assert (await location(served, path))[0] == 308
            assert (await written(served, f"GET {path} HTTP/1.1".encode())).startswith(b"HTTP/1.1 308 ")
        assert (await written(served, b"GET /items/2 HTTP/1.1")).startswith(b"HTTP/1.1 200 ")


async def test_a_redirect_can_be_followed_by_pages_of_other_origins(project: Project) -> None:
    origin = {"origin": "https://a.example"}
    tables: dict[str, Any] = {"redirects": [redirect("/old", "/new")], "cors": {"allow_origins": ["https://a.example"]}}
    async with project.started(**tables) as served:
        answer = await served.get("/old", headers=origin)
        preflight = await served.client.options("/old", headers={**origin, "access-control-request-method": "GET"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (308, "https://a.example")
    assert (preflight.status_code, preflight.text) == (200, "OK")


async def test_redirects_are_logged_as_every_answer_is(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    async with project.started(redirects=[redirect("/old", "/new")]) as served:
        with caplog.at_level(logging.INFO, "millpond.access"):
            await served.get("/old?a=1")
            await served.get("/new")
    assert [record.getMessage() for record in caplog.records if record.name == "millpond.access"] == [
        "GET /old 308",
        "GET /new 404",
    ]
