"""From the bytes of a request to a route, over ASGI: paths, prefixes, bounds and conditional requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from millpond.serve.layers.failures import LoggedFailures
from ponds import cache_of, client_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Message

    from ponds import Project

pytestmark = pytest.mark.anyio

ECHO = "def GET(request): return [request.url.path, request.path_params]\n"


async def ask(app: ASGIApp, raw_path: bytes, **more: Any) -> tuple[int, dict[bytes, bytes], bytes]:
    """One request that no client library has tidied up."""
    path, _, query = raw_path.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "server": ("shop.example", 80),
        "client": ("192.0.2.1", 9),
        "root_path": "",
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": query,
        "headers": [],
        **more,
    }
    sent: list[Message] = []
    received: Iterator[Message] = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        for message in received:
            return message
        await asyncio.Event().wait()
        raise AssertionError  # a client that stays

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert [message["type"] for message in sent][:1] == ["http.response.start"]
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), body


async def test_an_unknown_path_is_404(project: Project) -> None:
    project.routes({"/a": "def GET(): return 1\n"})
    async with project.serving() as running:
        for path in ("/", "/b", "/a/b", "/A", "/a%2F", "/api"):
            assert (await running.get(path)).status_code == 404, path


@pytest.mark.parametrize("path", [b"/%", b"/%zz", b"/a%f", b"/%ff", b"/%00", b"/%C3%28", b"/items/%E0%80%AF"])
async def test_malformed_escapes_are_400_for_every_method(project: Project, path: bytes) -> None:
    project.routes({"/[...rest]": ECHO + "def POST(): return 1\n"})
    async with project.serving() as running:
        for method in ("GET", "POST", "HEAD", "OPTIONS"):
            status, headers, body = await ask(running.pond, path, method=method)
            assert (status, headers[b"content-type"]) == (400, b"application/json")
            assert body == b'{"detail":"Bad Request"}'  # which servers leave out for HEAD


async def test_parameters_are_decoded_once_and_an_encoded_slash_stays_inside(project: Project) -> None:
    project.routes({"/one/[id]": ECHO, "/many/[...ids]": ECHO})
    async with project.serving() as running:
        for path, params in {
            "/one/a%2Fb": {"id": "a/b"},
            "/one/a%252Fb": {"id": "a%2Fb"},
            "/one/a+b": {"id": "a+b"},
            "/one/%C3%A9%20x": {"id": "é x"},
            "/many/a%2Fb/c": {"ids": ["a/b", "c"]},
        }.items():
            assert (await running.get(path)).json()[1] == params


async def test_every_spelling_of_a_path_has_one_stored_answer(project: Project) -> None:
    project.routes({"/[id]": "runs = []\ndef generate_static_params(): return []\ndef GET(id):\n    runs.append(id)\n"})
    async with project.serving() as running:
        for path in (b"/caf%C3%A9", b"/caf%c3%a9", b"/%63af%C3%A9"):
            assert (await ask(running.pond, path))[0] == 200
        assert running.module("/[id]").runs == ["café"]
        assert (await ask(running.pond, b"/a%2Fb"))[0] == 200
        assert running.module("/[id]").runs == ["café", "a/b"]


@pytest.mark.parametrize(
    ("trailing", "sent", "location"),
    [
        (False, b"/a/", "/a"),
        (False, b"/a/?b=/c/", "/a?b=/c/"),
        (False, b"//evil.example/a", "/evil.example/a"),
        (False, b"/a//b", "/a/b"),
        (False, b"/\\evil.example/", "/%5Cevil.example"),
        (True, b"/a", "/a/"),
        (True, b"/a?b=c", "/a/?b=c"),
        (True, b"/a.xml/", "/a.xml"),
    ],
)
async def test_slashes_are_mended_by_308_for_every_method(
    project: Project, trailing: bool, sent: bytes, location: str
) -> None:
    project.routes({"/[...rest]": ECHO + "def POST(): return 1\n"})
    async with project.serving(trailing_slash=trailing) as running:
        for method in ("GET", "POST"):
            status, headers, body = await ask(running.pond, sent, method=method)
            assert (status, headers[b"location"].decode(), body) == (308, location, b"")


@pytest.mark.parametrize("trailing", [False, True])
async def test_dot_segments_are_taken_away_by_308_for_every_method(project: Project, trailing: bool) -> None:
    project.routes({"/p/[id]": ECHO + "def POST(): return 1\n", "/[...rest]": ECHO})
    async with project.serving(trailing_slash=trailing) as running:
        for sent, location in {
            b"/p/..": "/",
            b"/p/%2e%2e": "/",
            b"/p/%2E./x?b=/../c": "/x?b=/../c",
            b"/no/route/here/..": "/no/route/",
            b"/p/..//evil.example": "/evil.example",
        }.items():
            for method in ("GET", "POST"):
                status, headers, body = await ask(running.pond, sent, method=method)
                assert (status, headers[b"location"].decode(), body) == (308, location, b""), sent
        path = b"/p/..%2f.." + (b"/" if trailing else b"")
        assert b'"../.."' in (await ask(running.pond, path))[2]
        assert (await ask(running.pond, b"/../%zz"))[0] == 400


async def test_dot_segments_may_lead_into_a_base_path_and_a_mount_and_not_out_of_them(project: Project) -> None:
    project.routes({"/p": ECHO})
    async with project.serving(base_path="/b") as running:
        for sent, root, location in (
            (b"/b/x/../p", "", "/b/p"),
            (b"/x/../b/p", "", "/b/p"),
            (b"/shop/b/x/../p", "/shop", "/shop/b/p"),
            (b"/b/x/../p", "/shop", "/shop/b/p"),  # by a server that leaves root_path out of the path
        ):
            status, headers, _ = await ask(running.pond, sent, root_path=root)
            assert (status, headers[b"location"].decode()) == (308, location), sent
        for sent, root in ((b"/b/../p", ""), (b"/shop/b/../../p", "/shop")):
            assert (await ask(running.pond, sent, root_path=root))[0] == 404


async def test_with_trailing_slashes_the_slash_is_no_part_of_parameters_and_keys(project: Project) -> None:
    project.routes({"/[id]": "def generate_static_params(): return [{'id': 'a'}]\ndef GET(id): return id\n"})
    async with project.serving(trailing_slash=True) as running:
        answer = await running.get("/a/")
        assert (answer.json(), cache_of(answer)) == ("a", "HIT")


async def test_a_static_get_sees_the_path_that_clients_ask_for(project: Project) -> None:
    source = "dynamic = 'force-static'\ndef GET(request): return request.url.path\n"
    project.routes(dict.fromkeys(["/", "/a", "/feed.xml", "/b/[id]"], source))
    async with project.serving(trailing_slash=True) as running:
        for path in ("/", "/a/", "/feed.xml", "/b/x/", "/b/x.y"):
            assert (await running.get(path)).json() == path


async def test_paths_and_headers_over_their_bounds_are_refused(project: Project) -> None:
    project.routes({"/[id]": ECHO})
    async with project.serving(server={"max_path_bytes": 100, "max_header_bytes": 200}) as running:
        assert (await ask(running.pond, b"/" + b"a" * 99))[0] == 200
        assert (await ask(running.pond, b"/" + b"a" * 100))[0] == 414
        assert (await ask(running.pond, b"/a?" + b"q" * 99))[0] == 414
        assert (await ask(running.pond, b"/a", headers=[(b"x", b"y" * 195)]))[0] == 200
        assert (await ask(running.pond, b"/a", headers=[(b"x", b"y" * 196)]))[0] == 431
        assert (await ask(running.pond, b"/a", headers=[(b"x", b"y" * 96)] * 2))[0] == 431


async def test_a_path_of_too_many_segments_is_refused(project: Project) -> None:
    project.routes({"/[...path]": "def GET(path: list[str]): return len(path)"})
    async with project.serving(server={"max_path_segments": 3}) as running:
        for path, status in {
            b"/a/b/c": 200,
            b"/a%2Fb/b/c": 200,
            b"/a/b/c/": 308,
            b"//a/b//c": 308,
            b"/a/b/c/d": 414,
        }.items():
            assert (await ask(running.pond, path))[0] == status
        assert (await ask(running.pond, b"/" * 5000))[0] == 404  # as no route answers "/"


async def test_base_path_is_no_part_of_the_depth(project: Project) -> None:
    project.routes({"/[...path]": "def GET(path: list[str]): return len(path)"})
    async with project.serving(base_path="/b/c", server={"max_path_segments": 2}) as running:
        assert [(await running.get(f"/b/c{path}")).status_code for path in ("/x/y", "/x/y/z")] == [200, 414]


async def test_below_a_base_path_only_its_urls_match_and_handlers_see_it_in_the_path(project: Project) -> None:
    project.routes({"/": ECHO, "/live/[id]": ECHO, "/static": f"revalidate = 60\n{ECHO}"})
    async with project.serving(base_path="/b") as running:
        assert (await running.get("/b/live/a%2Fb")).json() == ["/b/live/a/b", {"id": "a/b"}]
        assert (await running.get("/b")).json()[0] == "/b"
        assert (await running.get("/b/static")).json() == ["/b/static", {}]
        assert await running.cache("/b/static") == "HIT"
        for path in ("/live/a", "/", "/bb/live/a", "/c/b/live/a"):
            assert (await running.get(path)).status_code == 404, path
        answer = await running.get("/b/static/")
        assert (answer.status_code, answer.headers["location"]) == (308, "/b/static")


@pytest.mark.parametrize("base_path", ["", "/b"])
async def test_mounted_in_another_application_it_is_found_below_the_mount(project: Project, base_path: str) -> None:
    project.routes({"/live/[id]": ECHO, "/static": f"revalidate = 60\n{ECHO}"})
    await project.built(base_path=base_path)
    async with project.started(base_path=base_path) as running:
        outer = Starlette(routes=[Mount("/shop", app=running.pond)])
        async with client_of(outer) as client:
            answer = await client.get(f"/shop{base_path}/live/7")
            assert answer.json()[1] == {"id": "7"}
            assert answer.json()[0] == f"/shop{base_path}/live/7"
            assert cache_of(await client.get(f"/shop{base_path}/static")) == "HIT"
            assert (await client.get(f"/shop{base_path}/other")).status_code == 404
            answer = await client.get(f"/shop{base_path}/static/")
            assert answer.headers["location"] == f"/shop{base_path}/static"


async def test_a_cached_answer_has_a_strong_etag_and_is_304_when_the_client_has_it(project: Project) -> None:
    project.routes({"/": "revalidate = 60\ndef GET(): return 'page'\n"})
    async with project.serving() as running:
        project.clock.move(5)
        answer = await running.get("/")
        etag = answer.headers["etag"]
        assert etag.startswith('"')
        for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            again = await running.get("/", headers={"if-none-match": condition})
            assert (again.status_code, again.content) == (304, b"")
            for name in ("etag", "cache-control", "age", "cache-status", "x-nextjs-cache"):
                assert again.headers[name] == answer.headers[name], name
            assert "content-length" not in again.headers
            assert "content-type" not in again.headers
        head = await running.client.head("/", headers={"if-none-match": etag})
        assert head.status_code == 304
        for condition in ('"other"', "nonsense", ""):
            assert (await running.get("/", headers={"if-none-match": condition})).status_code == 200


async def test_a_head_sends_no_body_from_the_cache_or_live(project: Project) -> None:
    """Asked without a client library, which would leave the body out by itself."""
    project.routes({"/static": "revalidate = 60\ndef GET(): return 'page'\n", "/live": "def GET(): return 'page'\n"})
    async with project.serving() as running:
        for path in (b"/static", b"/live"):
            status, headers, body = await ask(running.pond, path, method="HEAD")
            assert (status, headers[b"content-length"], body) == (200, b"6", b"")


async def test_a_handlers_own_validators_are_respected(project: Project) -> None:
    project.routes(
        {
            "/": """
            from millpond import Response
            revalidate = 60
            headers = {"etag": 'W/"v7"', "last-modified": "Sat, 01 Jan 2028 00:00:00 GMT"}
            def GET(): return Response("page", headers=headers)
            """
        }
    )
    late, early = "Sun, 02 Jan 2028 00:00:00 GMT", "Fri, 31 Dec 2027 00:00:00 GMT"
    async with project.serving() as running:
        for headers, status in (
            ({"if-none-match": '"v7"'}, 304),
            ({"if-modified-since": late}, 304),
            ({"if-modified-since": early}, 200),
            ({"if-none-match": '"v6"', "if-modified-since": late}, 200),
        ):
            assert (await running.get("/", headers=headers)).status_code == status


async def test_a_stale_answer_is_304_too_and_is_rendered_again(project: Project) -> None:
    project.routes({"/": "revalidate = 10\nruns = []\ndef GET(): runs.append(1)\n"})
    async with project.serving() as running:
        etag = (await running.get("/")).headers["etag"]
        project.clock.move(11)
        answer = await running.get("/", headers={"if-none-match": etag})
        assert (answer.status_code, cache_of(answer)) == (304, "STALE")
        await running.settle()
        assert running.module("/").runs == [1]


async def test_a_range_is_answered_whole(project: Project) -> None:
    project.routes({"/": "revalidate = 60\ndef GET(): return 'page'\n"})
    async with project.serving() as running:
        answer = await running.get("/", headers={"range": "bytes=0-1"})
        assert (answer.status_code, answer.text) == (200, '"page"')


async def test_query_headers_and_cookies_are_no_part_of_a_static_answer(project: Project) -> None:
    project.routes({"/": "revalidate = 60\ndef GET(): return 'page'\n"})
    async with project.serving() as running:
        for options in ({"params": {"a": "1"}}, {"headers": {"cookie": "a=b"}}, {"headers": {"host": "evil.example"}}):
            assert await running.cache("/", **options) == "HIT"


async def test_headers_of_one_connection_are_not_stored(project: Project) -> None:
    project.routes(
        {
            "/": """
            from millpond import Response
            revalidate = 60
            headers = {"connection": "x-hop", "x-hop": "1", "transfer-encoding": "chunked", "x-kept": "1", "age": "9"}
            def GET(): return Response("page", headers=headers)
            """
        }
    )
    async with project.serving() as running:
        answer = await running.get("/")
        assert answer.headers["x-kept"] == "1"
        assert {"connection", "x-hop", "transfer-encoding"} & set(answer.headers) == set()
        assert answer.headers.get_list("age") == ["0"]


async def test_a_redirect_in_the_middle_of_a_streamed_body_breaks_it_off(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes(
        {
            "/": """
            from millpond import StreamingResponse, redirect
            async def body():
                yield "begun"
                redirect("/b")
            def GET(): return StreamingResponse(body())
            """
        }
    )
    async with project.serving() as running:
        status, _, body = await ask(LoggedFailures(running.pond), b"/")
        assert (status, body) == (200, b"begun")
    assert "GET / (app/route.py) raised RaisedRedirect: redirect to /b" in caplog.text
