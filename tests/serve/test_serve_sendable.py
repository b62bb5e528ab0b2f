"""Nothing on the wire but answers: what can't be sent is not stored, and not sent (RFC 9110 §5.5, RFC 9112 §6.3)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
import pytest
from three_ways import answers_in, three_ways

from millpond.stores.contract import Commit
from millpond.stores.memory import MemoryStore
from ponds import cache_of

if TYPE_CHECKING:
    import httpx2
    from three_ways import Ways

    from ponds import Project, Running

pytestmark = pytest.mark.anyio

SMUGGLED = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nowned"
BROKEN = "a\r\nset-cookie: session=theirs"

SLUGS = """
from millpond import PlainTextResponse, Response

{mode}


def GET(slug: str):
    if slug.isdecimal():
        return Response("body", int(slug))
    if slug.startswith("HTTP"):
        return PlainTextResponse(slug, 204)
    response = Response("text")
    response.raw_headers.append((b"x-slug", slug.encode()))
    return response
"""
STORED = SLUGS.format(mode="revalidate = 60\n\n\ndef generate_static_params():\n    return []")
LIVE = SLUGS.format(mode="dynamic = 'force-dynamic'")


def request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


async def test_what_a_visitor_puts_into_a_path_is_never_the_next_answer(project: Project) -> None:
    project.routes({"/stored/[slug]": STORED, "/live-too/[slug]": LIVE})
    async with three_ways(project) as ways:
        for folder in ("stored", "live-too"):
            asked = request(f"/{folder}/{quote(SMUGGLED, safe='')}")
            for _ in range(3):
                seen = await ways.compare([asked + request("/plain")])
                assert answers_in(seen.written, [b"GET", b"GET"]) == [204, 200]
                assert b"owned" not in seen.written
    assert ways.differences == []


@pytest.mark.parametrize("status", [204, 205])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_status_without_a_body_is_stored_without_one(project: Project, status: int, method: str) -> None:
    project.routes({"/[slug]": STORED})
    async with project.serving() as running:
        for cache in ("MISS", "HIT", "HIT"):
            answer = await running.client.request(method, f"/{status}")
            assert (answer.status_code, answer.content, cache_of(answer)) == (status, b"", cache)
            assert answer.headers.get("content-length") == {204: None, 205: "0"}[status]
        entry = running.entry("/[slug]", slug=str(status))
        assert entry is not None
        assert entry.body == b""


async def test_a_body_that_is_left_out_is_told_once_for_each_handler(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes({"/stored/[slug]": STORED, "/live/[slug]": LIVE})
    async with project.serving() as running:
        for path in ("/stored/204", "/stored/205", "/live/204", "/live/205", "/live/304"):
            await running.get(path)
        await running.get("/stored/304")
    told = [record.getMessage() for record in caplog.records if "no body" in record.getMessage()]
    assert told == [
        "app/stored/[slug]/route.py:11: the answer of /stored/204 has the status 204, which allows no body, and a body "
        "of 4 bytes: it is left out. Return Response(status_code=204).",
        "app/live/[slug]/route.py:7: the answer of GET /live/204 has the status 204, which allows no body, and had "
        "one: it is left out. Return Response(status_code=204).",
    ]


@pytest.mark.parametrize(
    ("slug", "reason"),
    [
        (BROKEN, 'its header "x-slug" holds a line break or a control character'),
        ("a\x0bb", 'its header "x-slug" holds a line break or a control character'),
        ("999", "its status is 999, which isn't from 200 to 599"),
        ("101", "its status is 101, which isn't from 200 to 599"),
    ],
)
@pytest.mark.parametrize("folder", ["stored", "live"])
async def test_an_answer_that_cannot_be_sent_is_a_500_that_names_the_route_and_is_not_stored(
    project: Project, caplog: pytest.LogCaptureFixture, folder: str, slug: str, reason: str
) -> None:
    project.routes({"/stored/[slug]": STORED, "/live/[slug]": LIVE})
    async with project.serving() as running:
        for _ in range(2):
            answer = await running.get(f"/{folder}/{quote(slug)}")
            assert (answer.status_code, answer.content) == (500, b"Internal Server Error")
            assert {"x-slug", "set-cookie"} & set(answer.headers) == set()
        assert running.entry("/stored/[slug]", slug=slug) is None
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(told) == 2
    for record in told:
        assert f"app/{folder}/[slug]/route.py:" in record.getMessage()
        assert reason in record.getMessage()
        assert record.exc_info is None


async def test_the_last_good_answer_stays_when_the_next_one_cannot_be_sent(project: Project) -> None:
    project.routes(
        {
            "/": """
            from millpond import Response
            revalidate = 60
            said = "good"
            def GET():
                response = Response("text")
                response.raw_headers.append((b"x-said", said.encode()))
                return response
            """
        }
    )
    async with project.serving() as running:
        running.module("/").said = "bad\r\n"
        project.clock.move(61)
        assert await running.cache("/") == "STALE"
        await running.settle()
        answer = await running.get("/")
        assert (answer.status_code, answer.headers["x-said"]) == (200, "good")


async def test_a_build_names_the_handler_whose_answer_cannot_be_sent(project: Project) -> None:
    project.routes({"/": "from millpond import Response\nrevalidate = 60\ndef GET(): return Response('x', 999)\n"})
    (failure,) = await project.failures()
    assert "app/route.py:3: the answer of / can't be sent: its status is 999" in failure
    assert "Traceback" not in failure


UNSENDABLE = [
    {"headers": ((b"x-slug", b"a\r\nset-cookie: a=b"),)},
    {"headers": ((b"x slug", b"a"),)},
    {"headers": ((b"content-length", b"1"),)},
    {"headers": ((b"transfer-encoding", b"chunked"),)},
    {"status": 999},
    {"status": 101},
]


@pytest.mark.parametrize("changes", UNSENDABLE)
async def test_an_entry_of_somebody_else_that_cannot_be_sent_is_a_miss_in_every_way(
    project: Project, changes: dict[str, Any]
) -> None:
    async with three_ways(project) as ways:
        await put(ways, **changes)
        seen = await ways.compare([request("/fresh")])
        assert answers_in(seen.written, [b"GET"]) == [200]
        assert b"set-cookie" not in seen.written
    assert ways.differences == []


async def put(ways: Ways, **changes: Any) -> None:
    """Change the stored answers of /fresh behind everybody's back."""
    for store in (ways.pond.store, ways.long.pond.store):
        assert isinstance(store, MemoryStore)
        entry = next(entry for entry in store.entries() if "fresh" in entry.key)
        assert await store.commit(msgspec.structs.replace(entry, **changes)) is Commit.STORED


@pytest.mark.parametrize("status", [204, 205])
async def test_an_older_entry_with_a_body_where_none_may_be_is_sent_without_it(project: Project, status: int) -> None:
    async with three_ways(project) as ways:
        await put(ways, status=status, body=SMUGGLED.encode())
        gzipped = request("/fresh").replace(b"Host: x", b"Host: x\r\nAccept-Encoding: gzip, br, zstd")
        for asked in (request("/fresh"), gzipped):
            seen = await ways.compare([asked + request("/plain")])
            assert answers_in(seen.written, [b"GET", b"GET"]) == [status, 200]
            assert b"owned" not in seen.written
    assert ways.differences == []


async def test_a_cookie_that_connection_lists_is_still_one_visitors(project: Project) -> None:
    project.routes(
        {
            "/": """
            from millpond import Response
            revalidate = 60
            def GET(): return Response("mine", headers={"connection": "set-cookie", "set-cookie": "a=b"})
            """
        }
    )
    async with project.serving() as running:
        assert running.entry("/") is None


FRAMING = """
from millpond import Response

def POST(request):
    headers = [tuple(line.split(": ", 1)) for line in request.headers["x-headers"].split("|")]
    response = Response("12345", int(request.headers["x-status"]))
    response.raw_headers[:] = [(name.encode(), value.encode()) for name, value in headers]
    return response
"""


async def post(running: Running, status: int, *headers: str) -> httpx2.Response:
    return await running.post("/", headers={"x-headers": "|".join(headers), "x-status": str(status)})


async def test_a_live_answer_says_once_where_it_ends(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.routes({"/": FRAMING})
    async with project.serving() as running:
        answer = await post(running, 200, "Content-Length: 5", "content-length: 5", "Transfer-Encoding: chunked")
        assert answer.headers.get_list("content-length") == ["5"]
        assert "transfer-encoding" not in answer.headers
        for status in (204, 304):
            assert "content-length" not in (await post(running, status, "content-length: 5")).headers
        assert (await post(running, 205, "content-length: 5")).headers["content-length"] == "0"
        assert caplog.text.count("can't be sent") == 0
        answer = await post(running, 200, "content-length: 5", "content-length: 6")
        assert (answer.headers.get_list("content-length"), answer.text) == (["5"], "12345")


async def test_an_endpoint_of_the_inner_application_is_held_to_the_same(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.write(
        {
            "instrumentation.py": """
            from starlette.responses import Response
            def register(app):
                @app.get("/own/{status}")
                def own(status: int):
                    response = Response("body", status)
                    response.raw_headers.append((b"x-own", b"a\\n" if status == 200 else b"a"))
                    return response
            """
        }
    )
    async with project.serving() as running:
        answer = await running.get("/own/204")
        assert (answer.status_code, answer.content) == (204, b"")
        assert (await running.get("/own/200")).status_code == 500
    assert 'the answer of GET /own/200 can\'t be sent: its header "x-own"' in caplog.text
