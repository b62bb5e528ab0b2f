"""CORS, configured or by a middleware that is recognised: the bytes are Starlette's."""

from __future__ import annotations

import asyncio
import logging
import random
import re
from typing import TYPE_CHECKING, Any

import pytest
from cors_ways import MIDDLEWARE, OPTIONS, ORIGINS, cors_ways, request
from echo_server import serving, talk
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from three_ways import Way, _Log

from long_form import times
from millpond.config import parse_config
from millpond.serve.configured.cors import Cors, WaitingMiddleware, recognised_cors
from millpond.serve.connection.protocol import hit_protocol
from millpond.serve.outermost.layers import with_configured_headers
from ponds import turns

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from millpond.serve.hits import Hits
    from ponds import Project


A = b"https://a.example"
HIT = b"GET /plain HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n"


def constant(status: int, headers: list[tuple[bytes, bytes]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await send({"type": "http.response.body", "body": b"still"})

    return app


async def sent_by(app: ASGIApp, scope: Scope) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    await app(scope, receive, send)
    return sent


def scope_of(chance: random.Random) -> Scope:
    headers = [(b"origin", chance.choice(ORIGINS)) for _ in range(chance.choice((0, 1, 1, 2)))]
    if chance.random() < 0.5:
        headers.append((b"access-control-request-method", chance.choice((b"GET", b"PUT", b"get"))))
    if chance.random() < 0.3:
        headers.append((b"access-control-request-headers", chance.choice((b"x-token", b"X-A, X-B", b""))))
    if chance.random() < 0.1:
        headers.append((b"access-control-request-private-network", b"true"))
    chance.shuffle(headers)
    method = chance.choice(("GET", "HEAD", "OPTIONS", "OPTIONS", "POST"))
    return {"type": "http", "method": method, "path": "/", "raw_path": b"/", "headers": headers}


def answer_of(chance: random.Random) -> tuple[int, list[tuple[bytes, bytes]]]:
    headers = [(b"content-length", b"5"), (b"x-a", b"1")]
    varies = (b"accept-encoding", b"Origin", b"*", b"accept, cookie")
    headers += [(b"vary", chance.choice(varies)) for _ in range(chance.choice((0, 0, 1, 2)))]
    if chance.random() < 0.1:
        headers.append((b"access-control-allow-origin", b"https://own.example"))
    chance.shuffle(headers)
    return chance.choice((200, 204, 304, 404, 500)), headers


@pytest.mark.anyio
async def test_any_request_gets_the_messages_of_starlettes_own(caplog: pytest.LogCaptureFixture) -> None:
    for seed in range(times(800, 10_000)):
        chance = random.Random(seed)
        options, app, scope = chance.choice(OPTIONS), constant(*answer_of(chance)), scope_of(chance)
        expected = await sent_by(CORSMiddleware(app, **options), dict(scope))
        configured = with_configured_headers(app, parse_config({"cors": options}, "millpond.toml"))
        assert await sent_by(configured, dict(scope)) == expected
        if b"access-control-request-method" not in dict(scope["headers"]) or scope["method"] != "OPTIONS":
            (start, _) = await sent_by(app, scope)
            given = list(start["headers"])
            asked = Cors((), options).apply(given, start["status"], dict(reversed(scope["headers"])).get(b"origin"))
            assert asked == expected[0]["headers"]
            assert given == start["headers"]
    assert "every site can act and read with the cookies" in caplog.text


@pytest.mark.parametrize("recognised", [False, True], ids=["configured", "recognised"])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.anyio
async def test_any_request_gets_the_bytes_of_starlettes_own(
    project: Project, options: dict[str, Any], recognised: bool
) -> None:
    found: list[str] = []
    async with cors_ways(project, options, recognised=recognised) as ways:
        for seed in range(times(160, 1250)):
            chance = random.Random(seed)
            asked = [request(chance, ways.etag) for _ in range(chance.choice((1, 1, 1, 2)))]
            found += await ways.differences(*asked)
            if seed % 5 == 0:
                found += await ways.differences(b"".join(asked * 3))
    assert found == []
    assert {b"200", b"204", b"205", b"304", b"308", b"400", b"404", b"405", b"414", b"500"} <= ways.statuses


@pytest.mark.parametrize("recognised", [False, True], ids=["configured", "recognised"])
@pytest.mark.parametrize("options", OPTIONS[:3])
@pytest.mark.anyio
async def test_hits_with_configured_headers_besides_get_the_bytes_that_they_get_through_asgi(
    project: Project, options: dict[str, Any], recognised: bool
) -> None:
    headers = [
        {"source": "/[[...all]]", "name": "X-Frame-Options", "value": "DENY"},
        {"source": "/[[...all]]", "name": "Vary", "value": "Cookie, Origin"},
        {"source": "/items/[id]", "name": "Cache-Control", "value": "public, max-age=60"},
        {"source": "/text", "name": "X-Two", "value": "3"},
    ]
    found: list[str] = []
    async with cors_ways(project, options, recognised=recognised, headers=headers) as ways:
        for seed in range(times(100, 500)):
            found += await ways.differences(request(random.Random(seed), ways.etag))
    assert found == []


@pytest.mark.parametrize("recognised", [False, True], ids=["configured", "recognised"])
@pytest.mark.anyio
async def test_hits_with_cors_are_answered_at_the_socket(project: Project, recognised: bool) -> None:
    async with cors_ways(project, OPTIONS[0], recognised=recognised) as ways:
        assert not await ways.asks_the_application(HIT)
        assert not await ways.asks_the_application(HIT.replace(b"Origin", b"X-Other"))
        assert await ways.asks_the_application(HIT.replace(b"GET", b"OPTIONS"))


@pytest.mark.anyio
async def test_an_origin_gets_its_own_answer_however_often_another_one_asks(project: Project) -> None:
    origins = [b"https://%b.example" % bytes([letter]) for letter in b"abcdefghijklmnopqrstuvwxyz"]
    long = [HIT.replace(b"/plain", b"/long").replace(A, origin) for origin in origins]
    cookies = [HIT.replace(b"Host", b"Cookie: a=b\r\nHost").replace(A, origin) for origin in origins]
    found: list[str] = []
    async with cors_ways(project, OPTIONS[3], recognised=False) as ways:
        for _ in range(3):
            found += await ways.differences(b"".join(HIT.replace(A, origin) for origin in origins))
            found += await ways.differences(b"".join(cookies))
            found += await ways.differences(b"".join(long))
            project.clock.move(1)  # so that the answers have another age
    assert found == []


@pytest.mark.anyio
async def test_an_answer_has_the_date_and_the_age_of_now(project: Project) -> None:
    project.routes({"/plain": "dynamic = 'force-static'\ndef GET():\n    return 1\n"})
    async with project.serving(cors=OPTIONS[0]) as served:
        await served.get("/plain")
        assert served.pond.hits is not None
        way = Way(served.pond, hit_protocol(served.pond.config.server, served.pond.hits), _Log())
        protocol, wire, state = way.connect()
        for date, seconds in ((b"now", 0), (None, 1), (b"later", 0)):
            if date is not None:  # else the list is the same, as in one second of the server's clock
                state.default_headers = [(b"date", date)]
            project.clock.move(seconds)
            protocol.data_received(HIT.replace(b"Host", b"Cookie: a=b\r\nHost"))
            protocol.data_received(HIT)
        protocol.connection_lost(None)
    assert re.findall(rb"date: (\w+)", wire.written) == [b"now"] * 4 + [b"later"] * 2
    assert re.findall(rb"age: (\d+)", wire.written) == [b"0"] * 2 + [b"1"] * 4


@pytest.mark.anyio
async def test_the_first_hits_after_a_start_have_cors(project: Project) -> None:
    project.routes({"/plain": "dynamic = 'force-static'\ndef GET():\n    return 1\n"})
    project.write({"instrumentation.py": MIDDLEWARE.format(OPTIONS[0])})
    async with project.serving() as served:
        hits = served.pond.hits
        assert hits is not None
        way = Way(served.pond, hit_protocol(served.pond.config.server, hits), _Log())
        for _ in range(4):
            assert b"access-control-allow-origin: https://a.example" in (await way.say([HIT])).written
        assert hits.at_socket


@pytest.mark.anyio
async def test_another_middleware_beside_cors_keeps_hits_from_the_socket(project: Project) -> None:
    project.routes({"/plain": "dynamic = 'force-static'\ndef GET():\n    return 1\n"})
    gzip = "    from starlette.middleware.gzip import GZipMiddleware\n    app.add_middleware(GZipMiddleware)\n"
    project.write({"instrumentation.py": MIDDLEWARE.format(OPTIONS[0]) + gzip})
    async with project.serving() as served:
        await served.get("/plain")
        assert served.pond.hits is not None
        assert not served.pond.hits.at_socket


@pytest.mark.anyio
async def test_an_answer_is_the_one_of_now_when_cors_is_recognised_later_or_no_more(project: Project) -> None:
    project.routes({"/plain": "dynamic = 'force-static'\ndef GET():\n    return 1\n"})
    cors = recognised_cors([Middleware(CORSMiddleware, **OPTIONS[0])])
    async with project.serving() as served:
        for _ in range(2):
            await served.get("/plain")
        hits = served.pond.hits
        assert hits is not None
        way = Way(served.pond, hit_protocol(served.pond.config.server, hits), _Log())
        assert b"access-control-allow-origin" not in (await way.say([HIT, HIT])).written
        parsed_before = hits.recall(HIT)
        assert parsed_before is not None
        hits.recognise(cors)
        assert hits.cached_path(b"/plain") is None
        assert hits.prepared(parsed_before.cached_path) is None
        hits.is_unseen = lambda: True  # else it says each second that there is no middleware
        await served.get("/plain")
        assert (await way.say([HIT, HIT])).written.count(b"access-control-allow-origin: https://a.example") == 2
        hits.recognise(recognised_cors([Middleware(CORSMiddleware, **OPTIONS[0])]))
        assert hits.cached_path(b"/plain") is not None
        hits.recognise(None)
        await served.get("/plain")
        assert b"access-control-allow-origin" not in (await way.say([HIT, HIT])).written


@pytest.mark.anyio
async def test_a_client_that_names_many_origins_fills_no_memory(project: Project) -> None:
    project.routes({"/plain": "dynamic = 'force-static'\ndef GET():\n    return 1\n"})
    async with project.serving(cors=OPTIONS[2]) as served:
        await served.get("/plain")
        hits = served.pond.hits
        assert hits is not None
        way = Way(served.pond, hit_protocol(served.pond.config.server, hits), _Log())
        for number in range(100):
            origin = b"https://%d.example" % number
            assert b"access-control-allow-origin: %b\r\n" % origin in (await way.say([HIT.replace(A, origin)])).written
        known = hits.cached_path(b"/plain")
        assert known is not None
        prepared = hits.prepared(known)
        assert prepared is not None
        (representation,) = prepared.representations.values()
        assert representation._around is not None
        assert len(representation._around) <= 8


def test_only_starlettes_own_class_alone_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(CORSMiddleware):
        pass

    cors, gzip = Middleware(CORSMiddleware, allow_origins=["*"]), Middleware(GZipMiddleware)
    assert recognised_cors([cors]) == Cors((), {"allow_origins": ["*"]})
    assert recognised_cors([Middleware(CORSMiddleware, ["*"])]) == Cors((["*"],), {})
    assert [recognised_cors(each) for each in ([], [gzip], [cors, cors], [cors, gzip])] == [None] * 4
    assert recognised_cors([Middleware(Mine, allow_origins=["*"])]) is None

    async def watched(self: object, scope: object, receive: object, send: object) -> None: ...

    monkeypatch.setattr(CORSMiddleware, "__call__", watched)
    assert recognised_cors([cors]) is None


def test_a_middleware_that_waits_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Waiting(CORSMiddleware):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await turns(1)

    monkeypatch.setattr("millpond.serve.configured.cors.CORSMiddleware", Waiting)
    with pytest.raises(WaitingMiddleware):
        Cors((), {}).apply([], 200, None)


@pytest.mark.anyio
async def test_preflights_are_logged_as_every_answer_is(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    preflight = {"origin": "https://a.example", "access-control-request-method": "GET"}
    async with project.started(cors=OPTIONS[0]) as served:
        with caplog.at_level(logging.INFO, "millpond.access"):
            answer = await served.client.options("/nothing", headers=preflight)
            refused = await served.client.options("/nothing", headers={**preflight, "origin": "https://evil.example"})
    assert (answer.status_code, answer.text) == (200, "OK")
    assert (refused.status_code, refused.text) == (400, "Disallowed CORS origin")
    assert [record.getMessage() for record in caplog.records if record.name == "millpond.access"] == [
        "OPTIONS /nothing 200",
        "OPTIONS /nothing 400",
    ]


def test_a_real_server_answers_pages_of_other_origins_at_its_socket(project: Project) -> None:
    project.routes({"/plain": "dynamic = 'force-static'\ndef GET():\n    return 1\n"})
    last = HIT.replace(b"Host", b"Connection: close\r\nHost")

    async def bytes_of(app: ASGIApp, hits: Hits | None) -> bytes:
        async with serving(app, hits=hits) as port:
            written = await talk(port, HIT, HIT, HIT, last)
        return re.sub(rb"date: [^\r]*", b"date: now", written)

    async def both() -> list[bytes]:
        await project.built()
        async with project.started(cors=OPTIONS[0]) as ours, project.started() as theirs:
            await ours.get("/plain")
            await theirs.get("/plain")
            return [
                await bytes_of(_only_the_last(ours.pond), ours.pond.hits),
                await bytes_of(CORSMiddleware(theirs.pond, **OPTIONS[0]), None),
            ]

    ours, theirs = asyncio.run(both())
    assert ours == theirs
    assert ours.count(b"access-control-allow-origin: https://a.example") == 4


def _only_the_last(app: ASGIApp) -> ASGIApp:
    """`app`, which must not be asked for what is answered at the socket."""

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] != "http" or (b"connection", b"close") in scope["headers"]
        await app(scope, receive, send)

    return asked
