"""The access log: one line for each request of a client, with the status that the client got."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from echo_server import SMALL, serving, talk
from fastapi import WebSocket  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import StreamingResponse

from millpond.policy.decision import Action, Decision, Reason
from millpond.serve.access.access_log import SERVED
from millpond.serve.access.asked import LONGEST_AGENT, LONGEST_PATH, Asked, identified, quoted, shown
from millpond.serve.access.line_format import access
from millpond.serve.access.served_request import FIELDS, ServedRequest
from millpond.serve.forwarded import Proxies
from millpond.serve.layers.failures import LoggedFailures
from millpond.serve.logs import JsonFormatter, TextFormatter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from millpond import Millpond
    from ponds import Project

pytestmark = pytest.mark.anyio
ROUTES = {
    "/hit": 'dynamic = "force-static"\n\n\ndef GET():\n    return "h" * 1000\n',
    "/live": "def GET(request):\n    return dict(request.query_params)\n\n\nasync def POST(request):\n"
    "    return len(await request.body())\n",
    "/broken": "def GET(request):\n    request.headers\n    raise ValueError\n",
    "/inside": 'from millpond import fetch\n\n\nasync def GET():\n    return (await fetch("/live?a=1")).json()\n',
}


class Kept(logging.Handler):
    """What was told of each request."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def served(self) -> list[ServedRequest]:
        return [record.__dict__[SERVED] for record in self.records]

    def take(self) -> list[tuple[str, int]]:
        """Message and bytes of each."""
        taken = [(served.message, served.sent) for served in self.served()]
        self.records.clear()
        return taken


@pytest.fixture
def log() -> Any:
    former, kept = (access.level, access.propagate), Kept()
    access.addHandler(kept)
    access.setLevel(logging.INFO)
    access.propagate = False
    yield kept
    access.removeHandler(kept)
    access.setLevel(former[0])
    access.propagate = former[1]


def declared(app: Millpond) -> None:
    """What code declares: a mount, a socket, a stream that fails."""

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 207, "headers": []})
        await send({"type": "http.response.body", "body": b"parts"})

    async def part() -> AsyncIterator[bytes]:
        yield b"part"
        raise RuntimeError

    app.mount("/mounted", mounted)
    app.add_api_route("/half", lambda: StreamingResponse(part()))

    async def room(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    async def closed(socket: WebSocket) -> None:
        await socket.close()

    app.add_api_websocket_route("/room", room)
    app.add_api_websocket_route("/closed", closed)


@asynccontextmanager
async def served(project: Project, **config: Any) -> AsyncIterator[int]:
    project.routes(ROUTES)
    project.write({"public/a.txt": "public"})
    await project.built()
    app = project.pond(**config)
    declared(app)
    proxies = Proxies("127.0.0.1")
    async with app.lifespan(), serving(LoggedFailures(app), SMALL, hits=app.hits, proxies=proxies) as port:
        yield port


async def told_by(log: Kept) -> list[tuple[str, int]]:
    """What is told, once there is something: a client may have the whole answer before."""
    for _ in range(500):
        if log.records:
            break
        await asyncio.sleep(0.01)
    return log.take()


def request(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", "")).encode(
        "latin-1"
    )


UPGRADE = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


@pytest.mark.parametrize("configured", [False, True])
async def test_each_request_is_one_line_with_its_status_and_the_bytes_of_its_body(
    project: Project, log: Kept, configured: bool
) -> None:
    config: dict[str, Any] = {}
    if configured:
        header = {"source": "/[[...path]]", "name": "x-a", "value": "b"}
        config = {"headers": [header], "cors": {"allow_origins": ["*"]}}
    config["redirects"] = [{"source": "/moved", "destination": "/hit"}]
    async with served(project, **config) as port:
        for asked, told in {
            request("/nope"): ("GET /nope 404", 22),
            request("/hit", method="DELETE"): ("DELETE /hit 405", 31),
            request("/live?a=1"): ("GET /live 200", 9),
            request("/live?a=1", method="HEAD"): ("HEAD /live 200", 0),
            request("/broken"): ("GET /broken 500", 21),
            request("/moved"): ("GET /moved 308", 0),
            request("/hit/"): ("GET /hit/ 308", 0),
            request("/a.txt"): ("GET /a.txt 200", 6),
            request("/mounted/x"): ("GET /mounted/x 207", 5),
            request("/hit%"): ("GET /hit% 400", 24),
            request("/" + "a" * 1100): (f"GET /{'a' * 1100} 414", 37),
            b"GET /hit HTTP/1.1\r\nConnection: close\r\n\r\n": ("GET /hit 400", 0),
            b"POST /live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n": ("POST /live 400", 0),
            request("/" + "a" * 3000): ("- - 414", 0),
            b"nonsense\r\n\r\n": ("- - 400", 0),
        }.items():
            answer = await talk(port, asked)
            lines = await told_by(log)
            if told[0].startswith("GET /hit% ") or " 414" in told[0]:
                assert [line[0][-3:] for line in lines] == [answer[9:12].decode()]
            else:
                assert lines == [told], (asked, answer)
        if configured:
            preflight = ("Origin: https://a.example", "Access-Control-Request-Method: GET")
            await talk(port, request("/hit", *preflight, method="OPTIONS"))
            assert await told_by(log) == [("OPTIONS /hit 200", 2)]


async def test_hits_are_told_alike_on_every_way(project: Project, log: Kept) -> None:
    asked = b'GET /hit HTTP/1.1\r\nHost: x\r\nUser-Agent: "me"\r\n\r\n'
    last = request("/hit", 'User-Agent: "me"', "X-Request-ID: id-1", "X-Forwarded-For: 192.0.2.9")
    conditional = request("/hit", 'User-Agent: "me"', "If-None-Match: *")
    async with served(project) as port:
        await talk(port, asked, asked, asked, last)
        await talk(port, conditional)
    first = [each._replace(seconds=None) for each in log.served()]
    assert [(each.message, each.sent) for each in first] == [*[("GET /hit 200", 1002)] * 4, ("GET /hit 304", 0)]
    assert {each.asked and each.asked.agent for each in first} == {'"me"'}
    assert first[0] == first[1] == first[2]
    assert first[3].asked == Asked("GET", "/hit", "192.0.2.9", '"me"', "id-1")
    assert {each.decision and each.decision.action for each in first} == {Action.HIT}


async def test_a_request_that_was_remembered_while_nothing_was_logged_is_told_whole(
    project: Project, log: Kept
) -> None:
    asked = b"GET /hit HTTP/1.1\r\nHost: x\r\nUser-Agent: me\r\n\r\n"
    async with served(project) as port:
        access.setLevel(logging.WARNING)
        await talk(port, asked, asked, request("/hit"))
        assert log.take() == []
        access.setLevel(logging.INFO)
        await talk(port, asked, request("/hit"))
    assert [each.asked and each.asked.agent for each in log.served()] == ["me", None]


async def test_handshakes_of_sockets_are_told_when_they_are_answered(project: Project, log: Kept) -> None:
    async with served(project) as port:
        for path, status in (("/room", 101), ("/closed", 403), ("/nowhere", 403)):
            sent = request(path, *UPGRADE).replace(b"Connection: close", b"Connection: Upgrade")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            assert (await reader.readuntil(b"\r\n"))[9:12] == b"%d" % status
            writer.close()
            assert [line[0] for line in await told_by(log)] == [f"GET {path} {status}"]


async def test_what_is_asked_from_inside_is_marked_and_has_no_client(project: Project, log: Kept) -> None:
    async with served(project) as port:
        await talk(port, request("/inside", "User-Agent: me"))
    inside, outside = log.served()
    assert (inside.message, inside.origin, inside.asked and inside.asked.client) == ("GET /live 200", "fetch", None)
    assert (outside.message, outside.origin, outside.asked and outside.asked.client) == (
        *("GET /inside 200", None),
        "127.0.0.1",
    )
    assert inside.text.startswith("fetch ")


async def test_an_answer_without_an_end_is_told_so(project: Project, log: Kept) -> None:
    async with served(project) as port:
        await talk(port, request("/half"))
    (half,) = log.served()
    assert (half.message, half.sent, half.is_complete) == ("GET /half 200", 4, False)
    assert half.fields["incomplete"] is True
    assert half.text.endswith("  incomplete")


async def test_a_client_that_goes_before_its_answer_is_499(project: Project, log: Kept) -> None:
    async with served(project) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
        await asyncio.sleep(0.05)
        writer.close()
        assert await told_by(log) == [("POST /live 499", 0)]
        del reader


async def test_a_request_that_a_shutdown_cuts_off_is_503(project: Project, log: Kept) -> None:
    project.routes(
        {"/long": "import asyncio\n\n\nasync def GET(request):\n    request.headers\n    await asyncio.sleep(60)\n"}
    )
    app = project.pond(server={"shutdown_timeout": 0.2})
    async with app.lifespan(), serving(LoggedFailures(app), app.config.server, hits=app.hits) as port:
        asking = asyncio.create_task(talk(port, request("/long")))
        await asyncio.sleep(0.1)
    assert (await asking).startswith(b"HTTP/1.1 503 ")
    assert log.take() == [("GET /long 503", 0)]


async def test_more_connections_than_allowed_are_told(project: Project, log: Kept) -> None:
    app = project.pond(server={"max_connections": 1, "shutdown_timeout": 1.0})
    async with app.lifespan(), serving(LoggedFailures(app), app.config.server, hits=app.hits) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0.02)
        assert (await talk(port, b"")).startswith(b"HTTP/1.1 503 ")
        writer.close()
    (refused,) = log.served()
    assert (refused.message, refused.asked and refused.asked.client) == ("- - 503", "127.0.0.1")


def test_the_fields_of_a_line_are_always_the_same() -> None:
    decision = Decision(Action.HIT, Reason.FRESH)
    whole = ServedRequest(Asked("GET", "/a", "192.0.2.1", "me", "id"), 200, decision, 0.0012345, 10)
    assert whole.fields == {
        "method": "GET",
        "path": "/a",
        "status": 200,
        "milliseconds": 1.23,
        "cache": "HIT",
        "reason": "fresh",
        "client": "192.0.2.1",
        "bytes": 10,
        "user_agent": "me",
        "request_id": "id",
    }
    assert whole.text == ('192.0.2.1        200      1.23 ms         10 B  HIT     GET /a  "me"  id=id  reason=fresh')
    nothing = ServedRequest(None, 400)
    assert nothing.fields.keys() == whole.fields.keys() == FIELDS - {"origin", "incomplete"}
    assert nothing.text == "-                400         - ms          0 B  -     "


FORGED = '/a\r\n12:00:00  127.0.0.1  200  GET /b  "x"\x1b[2J\u202e\u2028'


def test_nothing_that_a_client_sends_forges_a_line() -> None:
    agent, request_id = identified([(b"user-agent", FORGED.encode("utf-8")), (b"x-request-id", b"a b")])
    served = ServedRequest(Asked("GET", shown(FORGED, LONGEST_PATH), "192.0.2.1", agent, request_id), 200)
    record = logging.makeLogRecord({"msg": served.message, "fields": served.fields, SERVED: served})
    text, line = TextFormatter().format(record), JsonFormatter().format(record)
    assert text.isprintable()
    assert line.isascii() or line.isprintable()
    assert "\n" not in line
    assert json.loads(line)["path"].startswith("/a\\r\\n12:00:00")
    assert request_id is None
    before, _, quoted_agent = text.partition('  "')
    assert "  GET /a\\r" in before
    assert "  " not in before.partition("  GET ")[2]
    assert quoted_agent.count('"') - quoted_agent.count('\\"') == 1


def test_what_a_client_sends_is_bounded() -> None:
    agent, request_id = identified([(b"user-agent", b"x" * 5000), (b"x-request-id", b"x" * 129)])
    assert (agent, request_id) == (f"{'x' * LONGEST_AGENT}…", None)
    assert shown("/" * 5000, LONGEST_PATH) == f"{'/' * LONGEST_PATH}…"
    assert identified([(b"x-request-id", b"018f-7a/B:c=+@."), (b"x-request-id", b"other")])[1] == "018f-7a/B:c=+@."
    assert quoted('a"b\\') == '"a\\"b\\\\"'


def test_the_client_is_whom_a_trusted_proxy_names() -> None:
    proxies = Proxies("127.0.0.1,10.0.0.0/8")
    assert proxies.named_client("127.0.0.1", b"192.0.2.1, 10.1.1.1") == "192.0.2.1"
    assert proxies.named_client("203.0.113.1", b"192.0.2.1") == "203.0.113.1"
    assert proxies.named_client("127.0.0.1", b"unknown") == "127.0.0.1"
    assert proxies.named_client(None, b"192.0.2.1") is None
