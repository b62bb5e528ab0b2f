"""What tells one fetch from another (R5.18, K.14), and what goes to the upstream."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from upstreams import Upstream, upstream

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

ANYTHING = """
from millpond import fetch
dynamic = "force-dynamic"
async def GET():
    answer = await fetch(*ARGS, **{"cache": "force-cache", **GIVEN})
    return answer.text
"""


async def asked(running: Running, url: str, **options: Any) -> str:
    module = running.module("/")
    module.ARGS, module.GIVEN = (url,), options
    return str((await running.get("/")).json())


async def shared(project: Project, source: Upstream, a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether the second call is answered with what the first one got."""
    project.routes({"/": ANYTHING})
    async with project.started() as running:
        first = await asked(running, source.url + a.pop("path", "/x"), **a)
        return await asked(running, source.url + b.pop("path", "/x"), **b) == first


SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "header case": ({"headers": {"X-A": "1"}}, {"headers": {"x-a": "1"}}),
    "header order": ({"headers": {"a": "1", "b": "2"}}, {"headers": {"b": "2", "a": "1"}}),
    "traceparent": ({"headers": {"traceparent": "00-1"}}, {"headers": {"traceparent": "00-2"}}),
    "tracestate": ({"headers": {"tracestate": "a=1"}}, {}),
    "method written out": ({"method": "GET"}, {}),
    "method case": ({"method": "get"}, {"method": "GET"}),
    "tags": ({"tags": ["t"]}, {"tags": ["u"]}),
    "revalidate": ({"revalidate": 10, "cache": None}, {"revalidate": 20, "cache": None}),
    "cache or revalidate": ({}, {"revalidate": 10, "cache": None}),
    "fragment": ({"path": "/x#a"}, {"path": "/x#b"}),
    "timeout": ({"timeout": 1}, {"timeout": 2}),
    "QUERY": ({"method": "QUERY", "json": {"a": 1}}, {"method": "query", "json": {"a": 1}}),
}
DIFFERENT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "header value": ({"headers": {"a": "1"}}, {"headers": {"a": "2"}}),
    "accept-language": ({"headers": {"accept-language": "de"}}, {}),
    "own user-agent": ({"headers": {"user-agent": "mine"}}, {}),
    "authorization": ({"headers": {"authorization": "a"}}, {"headers": {"authorization": "b"}}),
    "method": ({"method": "POST"}, {}),
    "query order": ({"path": "/x?a=1&b=2"}, {"path": "/x?b=2&a=1"}),
    "path case": ({"path": "/x"}, {"path": "/X"}),
    "body": ({"method": "POST", "content": "a"}, {"method": "POST", "content": "b"}),
    "json": ({"method": "POST", "json": {"a": 1}}, {"method": "POST", "json": {"a": 2}}),
    "body of a QUERY": ({"method": "QUERY", "content": "a"}, {"method": "QUERY", "content": "b"}),
    "type of a QUERY": (
        {"method": "QUERY", "content": "a", "headers": {"content-type": "a/a"}},
        {"method": "QUERY", "content": "a", "headers": {"content-type": "a/b"}},
    ),
    "QUERY or POST": ({"method": "QUERY", "content": "a"}, {"method": "POST", "content": "a"}),
    "json or text": ({"method": "POST", "json": {"a": 1}}, {"method": "POST", "content": '{"a":1}'}),
}


@pytest.mark.parametrize(("a", "b"), SAME.values(), ids=SAME)
async def test_these_calls_are_one(project: Project, a: dict[str, Any], b: dict[str, Any]) -> None:
    async with upstream() as source:
        assert await shared(project, source, dict(a), dict(b))


@pytest.mark.parametrize(("a", "b"), DIFFERENT.values(), ids=DIFFERENT)
async def test_these_calls_are_two(project: Project, a: dict[str, Any], b: dict[str, Any]) -> None:
    async with upstream() as source:
        source.body = None
        project.routes({"/": ANYTHING})
        async with project.started() as running:
            for options in (dict(a), dict(b)):
                await asked(running, source.url + options.pop("path", "/x"), **options)
            assert source.requests == 2


async def test_users_of_a_url_do_not_share_and_their_credentials_are_not_logged(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    async with upstream() as source:
        project.routes({"/": ANYTHING})
        host = source.url.removeprefix("http://")
        async with project.started() as running:
            for userinfo in ("alice:hush", "bob:hush", "bob_key:", "bob_token"):
                await asked(running, f"http://{userinfo}@{host}/x", tags=["x" * 300])
        assert source.requests == 4
        assert source.seen[0].headers["authorization"] != source.seen[1].headers["authorization"]
    warnings = [record.getMessage() for record in caplog.records if record.name.startswith("millpond")]
    assert any("over 256" in warning for warning in warnings)
    assert not any(secret in warning for secret in ("hush", "alice", "bob") for warning in warnings)


def echo(request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, text=repr(sorted(request.headers.items())))


async def with_client(project: Project, *clients: httpx2.AsyncClient) -> list[str]:
    project.routes({"/": ANYTHING})
    async with project.started() as running:
        return [await asked(running, "http://up/x", client=client) for client in clients]


@pytest.mark.parametrize("header", ["x-tenant", "host", "user-agent", "accept-encoding"])
async def test_headers_that_a_client_adds_are_part_of_the_key(project: Project, header: str) -> None:
    transport = httpx2.MockTransport(echo)
    clients = [httpx2.AsyncClient(transport=transport, headers={header: name}) for name in "ab"]
    first, second = await with_client(project, *clients)
    assert first != second


async def test_what_every_client_sends_is_no_part_of_the_key(project: Project) -> None:
    names = iter("ab")
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, text=next(names)))
    assert await with_client(project, *(httpx2.AsyncClient(transport=transport) for _ in range(2))) == ["a", "a"]


async def test_the_auth_of_a_client_is_part_of_the_key(project: Project) -> None:
    transport = httpx2.MockTransport(echo)
    clients = [httpx2.AsyncClient(transport=transport, auth=(name, "pw")) for name in ("a", "b", "a")]
    first, second, third = await with_client(project, *clients)
    assert first != second
    assert first == third


def speaking_for(user: str) -> httpx2.AsyncClient:
    """A client whose hook puts a user's token on each request, as clients that are made for one user often do."""

    async def sign(request: httpx2.Request) -> None:
        request.headers["x-token"] = user

    def tell(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, text=request.headers["x-token"])

    return httpx2.AsyncClient(transport=httpx2.MockTransport(tell), event_hooks={"request": [sign]})


async def test_what_the_hooks_of_a_client_add_is_part_of_the_key(project: Project) -> None:
    assert await with_client(project, *map(speaking_for, ("a", "b", "a"))) == ["a", "b", "a"]


class OnBehalfOf(httpx2.Auth):
    """One credential of the service, and the user for whom it asks."""

    def __init__(self, user: str, **service: str) -> None:
        self._added = {"x-user": user, **service}

    def auth_flow(self, request: httpx2.Request) -> Any:
        request.headers.update(self._added)
        yield request


@pytest.mark.parametrize("service", [{"authorization": "Bearer service"}, {}])
async def test_all_that_an_auth_adds_is_part_of_the_key(project: Project, service: dict[str, str]) -> None:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, text=f"for {request.headers['x-user']}"))
    project.routes({"/": ANYTHING})
    async with project.started() as running:
        for user in ("a", "b", "a"):
            client = httpx2.AsyncClient(transport=transport, auth=OnBehalfOf(user, **service))
            assert await asked(running, "http://up/", client=client) == f"for {user}"


class AsksFirst(httpx2.Auth):
    """Gets a token from somewhere else: what it adds isn't known beforehand."""

    def auth_flow(self, request: httpx2.Request) -> Any:
        token = yield httpx2.Request("POST", "http://up/token")
        request.headers["authorization"] = token.text
        yield request


async def test_an_auth_that_can_not_be_told_beforehand_is_refused_rather_than_shared(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(echo), auth=AsksFirst())
    project.routes({"/": ANYTHING})
    async with project.started() as running:
        running.module("/").ARGS, running.module("/").GIVEN = ("http://up/x",), {"client": client}
        assert (await running.get("/")).status_code == 500
        assert "isn't known beforehand" in caplog.text
        running.module("/").GIVEN = {"client": client, "cache": "no-store"}
        assert (await running.get("/")).status_code == 200


async def test_a_cookie_of_an_upstream_never_goes_with_another_request(project: Project) -> None:
    async with upstream() as source:
        source.headers = {"Set-Cookie": "session=alice; Path=/"}
        project.routes({"/": ANYTHING})
        async with project.started() as running:
            await asked(running, source.url + "/login", cache="no-store")
            await asked(running, source.url + "/login", cache="force-cache")
            await asked(running, source.url + "/other", cache="force-cache")
        assert [seen.headers.get("cookie") for seen in source.seen] == [None] * 3


async def test_a_decoded_body_has_no_header_that_says_it_is_encoded(project: Project) -> None:
    async with upstream() as source:
        source.body, source.headers = gzip.compress(b"hello"), {"Content-Encoding": "gzip", "X-Own": "1"}
        project.routes({"/": ANYTHING.replace("answer.text", "[answer.text, dict(answer.headers)]")})
        async with project.started() as running:
            running.module("/").ARGS, running.module("/").GIVEN = (source.url + "/x",), {}
            first, second = [(await running.get("/")).json() for _ in range(2)]
        assert first == second
        assert first[0] == "hello"
        assert "content-encoding" not in first[1]
        assert first[1]["x-own"] == "1"
