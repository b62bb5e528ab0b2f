"""Redirects: followed, given to the caller or an error, as the call says, or the client that it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from upstreams import upstream

from millpond import fetch
from millpond.errors import UsageError

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

ROUTE = """
import httpx2
from millpond import fetch
dynamic = "force-dynamic"
ARGS, GIVEN = (), {}
async def GET():
    try:
        answer = await fetch(*ARGS, **GIVEN)
    except httpx2.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    except LookupError as error:
        return f"refused: {error}"
    return [answer.status_code, str(answer.url), answer.headers.get("location"), len(answer.history)]
"""


async def asked(running: Running, url: str, **given: Any) -> Any:
    module = running.module("/")
    module.ARGS, module.GIVEN = (url,), given
    return (await running.get("/")).json()


@pytest.mark.parametrize("cache", [{}, {"cache": "force-cache"}])
async def test_a_call_says_what_becomes_of_redirects(project: Project, cache: dict[str, Any]) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        source.redirects = {"/a": "/b"}
        here, there = source.url + "/a", source.url + "/b"
        for _ in range(2):
            assert await asked(running, here, **cache) == [200, there, None, 1]
            assert await asked(running, here, redirect="follow", **cache) == [200, there, None, 1]
            assert await asked(running, here, redirect="manual", **cache) == [302, here, "/b", 0]
            assert await asked(running, here, redirect="error", **cache) == (
                f'RequestError: GET {here} answered 302, a redirect, which is an error by redirect="error"'
            )
            assert await asked(running, there, redirect="error", **cache) == [200, there, None, 0]


async def test_a_query_keeps_its_method_and_its_body(project: Project) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        source.redirects = {"/a": "/b"}  # by 302, after which a POST becomes a GET
        for method, expected in (("QUERY", ("QUERY", b"[1]")), ("POST", ("GET", b""))):
            assert (await asked(running, source.url + "/a", method=method, json=[1]))[0] == 200
            assert (source.seen[-1].method, source.seen[-1].body) == expected


def elsewhere(request: httpx2.Request) -> httpx2.Response:
    if request.url.host == "inside":
        return httpx2.Response(302, headers={"location": "http://outside/secret"})
    return httpx2.Response(200, text="from outside")


@pytest.mark.parametrize("cache", ["force-cache", "no-store"])
async def test_a_client_decides_for_its_calls(project: Project, cache: Any) -> None:
    transport = httpx2.MockTransport(elsewhere)
    stays = httpx2.AsyncClient(transport=transport)
    follows = httpx2.AsyncClient(transport=transport, follow_redirects=True)
    project.routes({"/": ROUTE})
    async with project.started() as running:
        for _ in range(2):
            assert (await asked(running, "http://inside/", client=follows, cache=cache))[:2] == [
                200,
                "http://outside/secret",
            ]
            assert (await asked(running, "http://inside/", client=stays, cache=cache))[0] == 302
            assert (await asked(running, "http://inside/", client=stays, cache=cache, redirect="follow"))[0] == 200


def allowing(*hosts: str) -> httpx2.AsyncClient:
    """A client that refuses other hosts by a hook."""

    async def refuse(request: httpx2.Request) -> None:
        if request.url.host not in hosts:
            raise LookupError(request.url.host)

    transport = httpx2.MockTransport(elsewhere)
    return httpx2.AsyncClient(transport=transport, follow_redirects=True, event_hooks={"request": [refuse]})


async def test_no_redirect_leads_around_an_allow_list_of_hosts(project: Project) -> None:
    anywhere = httpx2.AsyncClient(transport=httpx2.MockTransport(elsewhere), follow_redirects=True)
    project.routes({"/": ROUTE})
    async with project.started() as running:
        for cache in ("no-store", "force-cache"):
            refused = await asked(running, "http://inside/", client=allowing("inside"), cache=cache)
            assert refused == "refused: outside"
            assert (await asked(running, "http://inside/", client=anywhere, cache=cache))[0] == 200
            # what another client has stored is seen by the hooks, too
            refused = await asked(running, "http://inside/", client=allowing("inside"), cache=cache)
            assert refused == "refused: outside"
            assert (await asked(running, "http://inside/", client=allowing("inside", "outside"), cache=cache))[0] == 200


async def test_what_millponds_client_has_stored_isnt_for_clients_of_ones_own(project: Project) -> None:
    class Narrow(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            if request.url.path == "/b":
                raise LookupError("/b")
            return httpx2.Response(302, headers={"location": "/b"})

    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        source.redirects = {"/a": "/b"}
        url = source.url + "/a"
        assert (await asked(running, url, cache="force-cache"))[0] == 200
        narrow = httpx2.AsyncClient(transport=Narrow(), follow_redirects=True)
        assert await asked(running, url, cache="force-cache", client=narrow) == "refused: /b"


async def test_own_paths_redirect_by_the_same_rules(project: Project) -> None:
    go = 'from millpond import redirect\ndynamic = "force-dynamic"\ndef GET(): redirect("/there")'
    project.routes({"/": ROUTE, "/go": go, "/there": 'def GET(): return "here"'})
    async with project.started() as running:
        assert (await asked(running, "/go"))[0] == 200
        assert (await asked(running, "/go", client=httpx2.AsyncClient()))[0] == 200
        assert (await asked(running, "/go", redirect="manual"))[0] == 307
        assert "RequestError" in await asked(running, "/go", redirect="error")


async def test_a_redirect_to_nowhere_is_the_callers_where_it_is_not_followed(project: Project) -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(302, headers={"location": "http://[::"}))
    project.routes({"/": ROUTE})
    async with project.started() as running:
        client = httpx2.AsyncClient(transport=transport)
        assert (await asked(running, "http://up/", client=client))[0] == 302
        assert "Invalid URL" in await asked(running, "http://up/", client=client, redirect="follow")


@pytest.mark.parametrize("value", ["none", True, "Follow"])
async def test_an_unknown_way_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match='the options are "follow", "manual" and "error"'):
        await fetch("http://up/", redirect=value)


async def test_another_host_does_not_lead_back_inside(project: Project) -> None:
    streamed = ROUTE.replace("answer = await fetch(*ARGS, **GIVEN)", "async with fetch.stream(*ARGS) as answer: pass")
    inner = 'CALLS = []\ndynamic = "force-dynamic"\ndef GET(): CALLS.append(1)'
    async with upstream() as source:
        source.redirects = {"/back": "http://localhost:3000/inner"}
        go = f'from millpond import redirect\ndynamic = "force-dynamic"\ndef GET(): redirect("{source.url}/back")'
        project.routes({"/": ROUTE, "/streamed": streamed, "/go": go, "/inner": inner})
        async with project.started() as running:
            running.module("/streamed").ARGS = ("/go",)
            await asked(running, "/go")
            await running.get("/streamed")
            assert (source.requests, running.module("/inner").CALLS) == (2, [])


async def test_credentials_of_the_call_stay_with_its_origin(project: Project) -> None:
    seen: list[tuple[str, set[str]]] = []
    given = {"authorization": "a", "proxy-authorization": "b", "cookie": "c=d"}

    def hop(request: httpx2.Request) -> httpx2.Response:
        seen.append((str(request.url), given.keys() & request.headers.keys()))
        to = {"/1": "/2", "/2": "http://outside/3"}.get(request.url.path)
        return httpx2.Response(200) if to is None else httpx2.Response(302, headers={"location": to})

    project.routes({"/": ROUTE})
    async with project.started() as running:
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(hop), follow_redirects=True)
        await asked(running, "http://inside/1", client=client, headers=given)
    everything = set(given)
    assert seen == [("http://inside/1", everything), ("http://inside/2", everything), ("http://outside/3", set())]


async def test_a_cookie_that_a_redirect_ends_is_not_sent_again(project: Project) -> None:
    def logout(request: httpx2.Request) -> httpx2.Response:
        ended = {"location": "/home", "set-cookie": "c=; Max-Age=0"}
        if request.url.path == "/logout":
            return httpx2.Response(302, headers=ended)
        return httpx2.Response(200 if "cookie" not in request.headers else 409)

    project.routes({"/": ROUTE})
    async with project.started() as running:
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(logout), follow_redirects=True)
        assert (await asked(running, "http://in/logout", client=client, headers={"cookie": "c=d"}))[0] == 200


async def test_a_cookie_of_a_clients_jar_keeps_to_its_path(project: Project) -> None:
    def hop(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/public":
            return httpx2.Response(200 if "cookie" not in request.headers else 409)
        return httpx2.Response(302 if "cookie" in request.headers else 409, headers={"location": "/public"})

    jar = httpx2.Cookies()
    jar.set("c", "d", domain="in.example", path="/admin")
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(hop), follow_redirects=True, cookies=jar)
    project.routes({"/": ROUTE})
    async with project.started() as running:
        assert (await asked(running, "http://in.example/admin/x", client=client))[0] == 200


async def test_redirects_lead_to_http_only(project: Project) -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(302, headers={"location": "file:///etc/passwd"}))
    project.routes({"/": ROUTE})
    async with project.started() as running:
        client = httpx2.AsyncClient(transport=transport, follow_redirects=True)
        assert "Invalid URL" in await asked(running, "http://up/", client=client)
