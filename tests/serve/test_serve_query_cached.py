"""Answers to QUERY are stored with the body as part of the key, if the route says so; nobody gets another body's."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from rewriting import InPlace

from millpond import revalidate_path, revalidate_tag
from ponds import SWR_60, Project, Running, cache_of, client_of, turns

if TYPE_CHECKING:
    import httpx2
    from starlette.types import Message, Receive, Scope, Send

pytestmark = pytest.mark.anyio

SEARCH = """
from typing import Annotated, Any
from fastapi import Body, Cookie, Depends, Form, HTTPException, Request, Response
from millpond import cache_life, cache_tag, cached, cookies, headers, connection
from pydantic import BaseModel

{config}
cache_query_body = True
RUNS = []

class Search(BaseModel):
    term: str
    limit: int = 10

"""
FRESH = SEARCH.format(config="revalidate = 60")
ROUTES = {
    "/search": FRESH
    + (
        "async def QUERY(search: Search):\n    RUNS.append(search.term)\n"
        "    return [search.term, search.limit, len(RUNS)]\n"
        "def GET(): return 'got'\n"
    ),
    "/raw": FRESH
    + (
        "async def QUERY(request: Request):\n    RUNS.append(1)\n"
        "    return [(await request.body()).decode(), request.headers['content-type'], len(RUNS)]\n"
    ),
    "/form": FRESH + "def QUERY(term: Annotated[str, Form()]):\n    RUNS.append(1)\n    return [term, len(RUNS)]\n",
    "/paged": FRESH
    + (
        "cache_query = ('page',)\n"
        "def QUERY(search: Search, page: int = 1):\n    RUNS.append(1)\n    return [search.term, page, len(RUNS)]\n"
    ),
    "/tagged": FRESH
    + (
        "@cached\ndef found(term: str):\n    cache_tag(f'term:{term}')\n    return term\n"
        "def QUERY(search: Search):\n    RUNS.append(1)\n    return [found(search.term), len(RUNS)]\n"
    ),
    "/items/[id]": FRESH
    + "def QUERY(id: str, search: Search):\n    RUNS.append(1)\n    return [id, search.term, len(RUNS)]\n",
}
PERSONAL = {
    "a header": "def QUERY(request: Request, search: Search): return request.headers.get('x-user')\n",
    "all headers": "def QUERY(request: Request, search: Search): return dict(request.headers).get('x-user')\n",
    "headers()": "async def QUERY(search: Search): return (await headers()).get('x-user')\n",
    "a declared header": (
        "from fastapi import Header\ndef QUERY(search: Search, x_user: Annotated[str, Header()]): return x_user\n"
    ),
    "the host": "def QUERY(request: Request, _: Search): return [request.headers['x-user'], str(request.base_url)]\n",
    "the query": "def QUERY(request: Request, search: Search): return request.query_params.get('user')\n",
    "a cookie": "def QUERY(request: Request, search: Search): return request.cookies.get('user')\n",
    "the client": "def QUERY(request: Request, _: Search): return [str(request.client), request.headers['x-user']]\n",
    "a dependency": (
        "def user(request: Request): return request.headers['x-user']\n"
        "def QUERY(search: Search, user: Annotated[str, Depends(user)]): return user\n"
    ),
    "set-cookie": ("def QUERY(search: Search, response: Response):\n    response.set_cookie('a', 'b')\n    return 1\n"),
    "connection()": "async def QUERY(search: Search):\n    await connection()\n    return 1\n",
}


async def query(client: httpx2.AsyncClient | Running, path: str, body: Any = None, **options: Any) -> httpx2.Response:
    given = {"json": body} if body is not None else {}
    asked = client.client if isinstance(client, Running) else client
    return await asked.request("QUERY", path, **given, **options)


def said(answer: httpx2.Response) -> tuple[Any, str | None]:
    assert answer.status_code == 200, answer.text
    return answer.json(), cache_of(answer)


async def test_the_second_request_with_the_same_body_is_a_hit(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as running:
        assert said(await query(running, "/search", {"term": "a"})) == (["a", 10, 1], "MISS")
        assert said(await query(running, "/search", {"term": "b"})) == (["b", 10, 2], "MISS")
        for _ in range(2):
            answer = await query(running, "/search", {"term": "a"})
            assert said(answer) == (["a", 10, 1], "HIT")
            assert answer.headers["cache-control"] == SWR_60
            assert answer.headers["accept-query"] == "application/json"
            assert said(await query(running, "/search", {"term": "b"})) == (["b", 10, 2], "HIT")
        assert said(await query(running, "/search", {"term": "a", "limit": 3})) == (["a", 3, 3], "MISS")
        for _ in range(3):
            assert (await running.get("/search")).json() == "got"
        assert said(await query(running, "/search", {"term": "a"})) == (["a", 10, 1], "HIT")


async def test_what_a_body_is_sent_as_is_part_of_the_key_and_white_space_of_json_isnt(project: Project) -> None:
    project.routes(ROUTES)

    async def raw(body: str, kind: str) -> tuple[Any, str | None]:
        return said(await query(running, "/raw", content=body.encode(), headers={"content-type": kind}))

    async with project.started() as running:
        assert await raw('{"a": [1, 2]}', "application/json") == (['{"a":[1,2]}', "application/json", 1], "MISS")
        assert await raw('{"a":[1,2]}', "Application/JSON") == (['{"a":[1,2]}', "application/json", 1], "HIT")
        assert await raw('{\n"a":[1,2]}', "application/json") == (['{"a":[1,2]}', "application/json", 1], "HIT")
        assert (await raw('{"a": [1, 2]}', "text/plain"))[0] == ['{"a": [1, 2]}', "text/plain", 2]
        assert (await raw('{"a":[1,2]}', "text/plain"))[0] == ['{"a":[1,2]}', "text/plain", 3]
        assert (await raw("", "text/plain"))[0] == ["", "text/plain", 4]
        assert (await raw("x", "text/plain; charset=UTF-8"))[0] == ["x", "text/plain; charset=utf-8", 5]
        assert (await raw("x", "text/plain;charset=utf-8"))[1] == "HIT"
        assert said(await query(running, "/form", data={"term": "a b"})) == (["a b", 1], "MISS")
        assert said(await query(running, "/form", data={"term": "a b"})) == (["a b", 1], "HIT")


async def test_parameters_of_path_and_query_are_part_of_it_as_for_get(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started() as running:
        assert said(await query(running, "/paged?page=1", {"term": "a"}))[0] == ["a", 1, 1]
        assert said(await query(running, "/paged?page=2", {"term": "a"}))[0] == ["a", 2, 2]
        assert said(await query(running, "/paged?utm=1&page=2", {"term": "a"})) == (["a", 2, 2], "HIT")
        assert said(await query(running, "/items/1", {"term": "a"})) == (["1", "a", 1], "MISS")
        assert said(await query(running, "/items/2", {"term": "a"})) == (["2", "a", 2], "MISS")
        assert said(await query(running, "/items/1", {"term": "a"})) == (["1", "a", 1], "HIT")


async def test_it_goes_stale_and_is_rendered_again_with_its_body(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as running:
        for term in ("a", "b"):
            await query(running, "/search", {"term": term})
        project.clock.move(61)
        assert said(await query(running, "/search", {"term": "a"})) == (["a", 10, 1], "STALE")
        await running.settle()
        assert said(await query(running, "/search", {"term": "a"})) == (["a", 10, 3], "HIT")
        assert said(await query(running, "/search", {"term": "b"})) == (["b", 10, 2], "STALE")


async def test_what_a_dependency_says_of_tags_and_lifetime_counts(project: Project) -> None:
    said_by = (
        "from millpond import response_life, response_tags\n"
        "def tags(search: Search): response_tags(f'by:{search.term}')\n"
        "def QUERY(search: Search, _: Annotated[None, Depends(tags)]):\n"
        "    RUNS.append(1)\n    response_life(revalidate=5)\n    return len(RUNS)\n"
    )
    project.routes({"/": FRESH + said_by})
    async with project.started() as running:
        for term in ("a", "b"):
            answer = await query(running, "/", {"term": term})
            assert answer.headers["cache-control"].startswith("s-maxage=5,")
        revalidate_tag("by:a", {"expire": 0})
        assert said(await query(running, "/", {"term": "b"})) == (2, "HIT")
        assert said(await query(running, "/", {"term": "a"})) == (3, "MISS")


async def test_a_folder_may_say_it_for_all_below(project: Project) -> None:
    project.routes({"/a": FRESH.replace("cache_query_body = True", "") + "def QUERY(search: Search): return 1\n"})
    project.write({"app/router.py": "cache_query_body = True\n"})
    async with project.started() as running:
        assert [said(await query(running, "/a", {"term": "a"}))[1] for _ in range(2)] == ["MISS", "HIT"]


async def test_a_reason_is_logged_once_for_a_route_and_not_for_each_body(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes({"/": FRESH + PERSONAL["a header"]})
    async with project.started() as running:
        for number in range(5):
            await query(running, "/", {"term": str(number)})
    (line,) = [record.getMessage() for record in caplog.records if record.name == "millpond.cache"]
    assert "QUERY / isn't stored: its answer depends on more than the body: request.headers" in line


async def test_invalidations_reach_by_path_and_by_tag(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as running:
        for term in ("a", "b"):
            await query(running, "/tagged", {"term": term})
        revalidate_tag("term:a", {"expire": 0})
        assert said(await query(running, "/tagged", {"term": "b"})) == (["b", 2], "HIT")
        assert said(await query(running, "/tagged", {"term": "a"})) == (["a", 3], "MISS")
        revalidate_path("/tagged")
        assert said(await query(running, "/tagged", {"term": "a"}))[1] == "MISS"
        assert said(await query(running, "/tagged", {"term": "b"}))[1] == "MISS"
        revalidate_path("/items/[id]", "route")


@pytest.mark.parametrize("case", PERSONAL)
async def test_what_depends_on_more_than_the_body_is_live(project: Project, case: str) -> None:
    project.routes({"/": FRESH + PERSONAL[case]})
    async with project.started() as running:
        for user in ("ann", "bob", "ann"):
            told = {"x-user": user, "cookie": f"user={user}"}
            answer = await query(running, f"/?user={user}", {"term": "a"}, headers=told)
            assert cache_of(answer) is None
            if case not in ("set-cookie", "connection()"):
                assert user in answer.text
            if case == "set-cookie":
                assert answer.headers["set-cookie"]


async def test_a_guard_of_the_folder_is_asked_each_time(project: Project) -> None:
    guard = (
        "from fastapi import Depends, HTTPException, Request\n"
        "async def guard(request: Request):\n    if {}: raise HTTPException(401)\n"
        "dependencies = [Depends(guard)]\n"
    )
    for reads in ("request.headers.get('x-key') != '1'", "b'key' not in await request.body()"):
        project.routes(ROUTES)
        project.write({"app/router.py": guard.format(reads)})
        async with project.started() as running:
            for _ in range(2):
                key = {"x-key": "1"}
                answer = await query(running, "/search", {"term": "key"}, headers=key)
                assert (answer.status_code, cache_of(answer)) == (200, None)
                assert (await query(running, "/search", {"term": "a"})).status_code == 401


async def test_a_body_that_is_no_key_is_live(project: Project) -> None:
    project.routes(ROUTES)
    project.routes({"/upload": FRESH + "async def QUERY(request: Request): return (await request.form())['term']\n"})
    async with project.started() as running:
        for _ in range(2):
            answer = await query(running, "/upload", files={"term": (None, "a")})
            assert said(answer) == ("a", None)
            coded = {"content-type": "text/plain", "content-encoding": "gzip"}
            assert said(await query(running, "/raw", content=b"x", headers=coded))[1] is None


async def test_a_body_that_is_too_large_is_413(project: Project) -> None:
    project.routes(ROUTES)
    project.routes(
        {"/live": "from millpond import Request\nasync def QUERY(request: Request): return len(await request.body())\n"}
    )
    kind = {"content-type": "text/plain"}

    async def pieces() -> Any:
        for _ in range(3):
            yield b"x" * 500

    async with project.started(cache={"max_query_body_bytes": 1000}) as running:
        assert (await query(running, "/raw", content=b"x" * 1000, headers=kind)).status_code == 200
        for content in (b"x" * 1001, pieces()):
            answer = await query(running, "/raw", content=content, headers=kind)
            assert answer.status_code == 413
            assert "cache.max_query_body_bytes" in answer.json()["detail"]
        assert (await query(running, "/live", content=b"x" * 2000, headers=kind)).json() == 2000


async def test_an_invalid_body_is_422_and_isnt_stored(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started() as running:
        for _ in range(2):
            answer = await query(running, "/search", {"limit": 1})
            assert answer.status_code == 422
            assert answer.json()["detail"][0]["loc"] == ["body", "term"]
            kind = {"content-type": "application/json"}
            assert (await query(running, "/search", content=b"{", headers=kind)).status_code == 422
        assert said(await query(running, "/search", {"term": "a"})) == (["a", 10, 1], "MISS")


async def test_conditions_hold(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started() as running:
        first, other = [await query(running, "/search", {"term": term}) for term in ("a", "b")]
        etag = first.headers["etag"]
        assert etag != other.headers["etag"]
        again = await query(running, "/search", {"term": "a"}, headers={"if-none-match": etag})
        assert (again.status_code, again.content, cache_of(again)) == (304, b"", "HIT")
        different = await query(running, "/search", {"term": "b"}, headers={"if-none-match": etag})
        assert said(different)[0][0] == "b"


async def test_no_more_variants_of_a_path_are_kept_than_configured(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started(cache={"max_query_variants": 3}) as running:
        await running.get("/search")
        for number in range(10):
            await query(running, "/search", {"term": str(number)})
        kept = [cache_of(await query(running, "/search", {"term": str(number)})) for number in (9, 8, 7)]
        assert kept == ["HIT"] * 3
        assert cache_of(await query(running, "/search", {"term": "6"})) == "MISS"


async def test_many_who_ask_the_same_at_once_wait_for_one_render(project: Project) -> None:
    project.routes(
        {
            "/": SEARCH.format(config="import asyncio\nGO = asyncio.Event()")
            + "async def QUERY(search: Search):\n    RUNS.append(search.term)\n"
            "    await GO.wait()\n    return search.term\n"
        }
    )
    async with project.started() as running:
        asked = [asyncio.create_task(query(running, "/", {"term": term})) for term in "aabbaa"]
        await turns(100)
        running.module("/").GO.set()
        answers = [answer.json() for answer in await asyncio.gather(*asked)]
        assert answers == [*"aabbaa"]
        assert sorted(running.module("/").RUNS) == ["a", "b"]


async def test_options_that_make_it_live_are_obeyed(project: Project) -> None:
    live = "def QUERY(search: Search):\n    RUNS.append(1)\n    return len(RUNS)\n"
    project.routes(
        {
            "/never": SEARCH.format(config="revalidate = 0") + live,
            "/forced": SEARCH.format(config="dynamic = 'force-dynamic'") + live,
            "/without": SEARCH.format(config="revalidate = 60").replace("cache_query_body = True", "") + live,
            "/off": SEARCH.format(config="revalidate = 60").replace("= True", "= False") + live,
        }
    )
    async with project.started() as running:
        for path in ("/never", "/forced", "/without", "/off"):
            assert [said(await query(running, path, {"term": "a"})) for _ in range(2)] == [(1, None), (2, None)]
    async with project.started(development=True) as running:
        project.routes(ROUTES)
        assert said(await query(running, "/never", {"term": "a"}))[1] is None


async def test_in_both_models_and_with_force_static_the_body_is_there(project: Project) -> None:
    forced = SEARCH.format(config="dynamic = 'force-static'")
    counted = "def QUERY(search: Search):\n    RUNS.append(1)\n    return [search.term, len(RUNS)]\n"
    project.routes({"/": forced + counted})
    async with project.serving() as running:
        assert said(await query(running, "/", {"term": "a"})) == (["a", 1], "MISS")
        assert said(await query(running, "/", {"term": "a"})) == (["a", 1], "HIT")
        assert said(await query(running, "/", {"term": "b"})) == (["b", 2], "MISS")
    project.routes({"/": SEARCH.format(config="") + counted})
    async with project.serving(cache_components=True) as running:
        assert said(await query(running, "/", {"term": "a"})) == (["a", 1], "MISS")
        assert said(await query(running, "/", {"term": "a"})) == (["a", 1], "HIT")
        assert said(await query(running, "/", {"term": "b"})) == (["b", 2], "MISS")


async def test_middleware_mounts_and_base_path_make_no_difference(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started(base_path="/shop") as running:
        running.pond.add_middleware(InPlace, rewrite=lambda label, path: path)
        outer = FastAPI()
        outer.mount("/m", running.pond)
        async with client_of(outer) as client:
            for expected in ("MISS", "HIT"):
                assert said(await query(client, "/m/shop/search", {"term": "a"})) == (["a", 10, 1], expected)
            for expected in ("HIT", "HIT"):
                assert said(await query(running, "/shop/search", {"term": "a"})) == (["a", 10, 1], expected)


async def test_middleware_may_make_a_post_a_query(project: Project) -> None:
    """For clients and proxies that don't know the method."""

    class Overriding(InPlace):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if dict(scope["headers"]).get(b"x-http-method-override") == b"QUERY":
                scope["method"] = "QUERY"
            await self.app(scope, receive, send)

    project.routes(ROUTES)
    async with project.started() as running:
        running.pond.add_middleware(Overriding)
        override = {"x-http-method-override": "QUERY"}
        for expected in ("MISS", "HIT"):
            answer = await running.post("/search", json={"term": "a"}, headers=override)
            assert said(answer) == (["a", 10, 1], expected)
        assert said(await query(running, "/search", {"term": "a"})) == (["a", 10, 1], "HIT")
        assert (await running.post("/search", json={"term": "a"})).status_code == 405


async def test_an_editor_in_draft_mode_is_answered_live(project: Project) -> None:
    project.routes(ROUTES)
    project.routes({"/draft": "from millpond import draft_mode\ndef POST(): draft_mode().enable()\n"})
    async with project.serving() as running:
        me = {"cookie": (await running.post("/draft")).headers["set-cookie"].partition(";")[0]}
        await query(running, "/search", {"term": "a"})
        for runs in (2, 3):
            assert said(await query(running, "/search", {"term": "a"}, headers=me)) == (["a", 10, runs], None)


async def test_a_client_that_goes_while_it_sends_renders_nothing(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started() as running:
        sent: list[Message] = []
        messages: list[Message] = [
            {"type": "http.request", "body": b'{"te', "more_body": True},
            {"type": "http.disconnect"},
        ]

        async def receive() -> Message:
            return messages.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)

        scope: dict[str, Any] = {
            "type": "http",
            "method": "QUERY",
            "path": "/search",
            "raw_path": b"/search",
            "query_string": b"",
        }
        scope |= {"headers": [(b"content-type", b"application/json")], "asgi": {"version": "3.0"}, "scheme": "http"}
        await running.pond({**scope, "server": ("x", 80), "client": None}, receive, send)
        assert sent == []
        assert running.module("/search").RUNS == []


async def test_an_own_fetch_and_what_is_made_of_it(project: Project) -> None:
    project.routes(ROUTES)
    project.routes(
        {
            "/page": (
                "from millpond import fetch\nrevalidate = 3600\n"
                "async def GET():\n    return (await fetch('/search', method='QUERY', json={'term': 'a'})).json()\n"
            )
        }
    )
    async with project.started() as running:
        answer = await running.get("/page")
        assert said(answer) == (["a", 10, 1], "MISS")
        assert said(await query(running, "/search", {"term": "a"})) == (["a", 10, 1], "HIT")


async def test_nobody_gets_the_answer_to_another_body(project: Project) -> None:
    """Bodies that are alike, in each order, cold and warm."""
    project.routes(
        {
            "/": SEARCH.format(config="revalidate = 60")
            + "def QUERY(value: Annotated[Any, Body()]): return {'value': value}\n"
        }
    )
    texts = [
        '{"a":1}',
        '{"a":1.0}',
        '{"a":"1"}',
        '{"a" : 1, "b":2}',
        '{"b":2,"a":1}',
        "[1,2]",
        "[12]",
        "[1, 2 ]",
        '" a"',
    ]
    texts += ['"a"', "1", "10", "1e1", "null", "[null]", "{}", "[]", "[[]]", '"\\u0061"', "true"]
    async with project.started() as running:
        kind = {"content-type": "application/json"}
        for text in [*texts, *reversed(texts), *texts]:
            answer = await query(running, "/", content=text.encode(), headers=kind)
            assert json.dumps(answer.json()["value"]) == json.dumps(json.loads(text)), text
