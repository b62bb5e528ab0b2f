"""Which answers say that they don't depend on parameters of the query: those of which it is true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI, Request, Response
from starlette.authentication import AuthenticationBackend
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from declared_in_code import serving
from millpond.policy.draft_mode import DRAFT_COOKIE_BYTES
from ponds import Running, client_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from millpond import Millpond
    from ponds import Project

pytestmark = pytest.mark.anyio

ROUTES = {
    "/static": "dynamic = 'force-static'\ndef GET(): return 'static'",
    "/fresh": "revalidate = 60\ndef GET(): return 'fresh'",
    "/items": """
        revalidate = 60
        cache_query = ("page", "sort")
        def GET(page: int = 1, sort: str = "name"): return [page, sort]
    """,
    "/gone": "from millpond import not_found\nrevalidate = 60\ndef GET(): not_found()",
    "/own": """
        from millpond import JSONResponse
        revalidate = 60
        def GET(): return JSONResponse({}, headers={"No-Vary-Search": 'params=("utm_source")'})
    """,
    "/live": "def GET(request): return str(request.query_params)",
    "/failing": "from millpond import Response\nrevalidate = 60\ndef GET(): return Response('no', 503)",
    "/draft": """
        from millpond import draft_mode
        def GET():
            draft_mode().enable()
            return {}
    """,
}
ITEMS = 'key-order, params, except=("page" "sort")'


def said(answer: httpx2.Response) -> str | None:
    return answer.headers.get("no-vary-search")


async def claims(pond: Running, *paths: str) -> list[str | None]:
    return [said(await pond.get(path)) for path in paths]


async def test_stored_answers_say_by_which_parameters_they_differ(project: Project) -> None:
    project.routes(ROUTES)
    project.write({"app/sitemap.py": "def sitemap(): return [{'url': 'https://shop.example/'}]\n"})
    async with project.serving() as pond:
        for _ in range(3):
            assert (
                await claims(pond, "/static", "/static?utm_source=a", "/fresh", "/gone", "/sitemap.xml")
                == ["params"] * 5
            )
            assert await claims(pond, "/items", "/items?page=2", "/items?utm_source=x&sort=age&page=2") == [ITEMS] * 3


async def test_answers_that_may_depend_on_more_say_nothing(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as pond:
        assert await claims(pond, "/live", "/live?utm_source=a", "/failing", "/nowhere", "/static/") == [None] * 5
        assert said(await pond.post("/static")) is None
        cookie = (await pond.get("/draft")).headers["set-cookie"].partition(";")[0]
        assert DRAFT_COOKIE_BYTES.decode() in cookie
        draft = await pond.get("/static", headers={"cookie": cookie})
        assert (draft.headers["x-nextjs-cache"], said(draft)) == ("BYPASS", None)


async def test_the_header_of_the_handler_wins(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as pond:
        for _ in range(2):
            answer = await pond.get("/own")
            assert answer.headers.get_list("no-vary-search") == ['params=("utm_source")']
            told = await pond.get("/own", headers={"if-none-match": answer.headers["etag"]})
            assert (told.status_code, said(told)) == (304, 'params=("utm_source")')


async def test_a_304_and_a_head_have_it_too(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as pond:
        answer = await pond.get("/items?page=3")
        told = await pond.get("/items?page=3&fbclid=1", headers={"if-none-match": answer.headers["etag"]})
        assert (told.status_code, said(told)) == (304, ITEMS)
        assert said(await pond.client.head("/items")) == ITEMS


async def test_it_can_be_turned_off(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving(cache={"no_vary_search": False}) as pond:
        assert await claims(pond, "/static", "/items", "/items?page=2") == [None] * 3


class Tokens(AuthenticationBackend):
    """Refuses whoever has no token in the query, say."""


async def by_query(request: Request, call_next: Callable[[Request], Any]) -> Response:
    if "variant" in request.query_params:
        return Response("another answer")
    answer: Response = await call_next(request)
    return answer


@pytest.mark.parametrize(
    ("add", "claimed"),
    [
        (lambda pond: pond.middleware("http")(by_query), False),
        (lambda pond: pond.add_middleware(AuthenticationMiddleware, backend=Tokens()), False),
        (lambda pond: pond.add_middleware(CORSMiddleware, allow_origins=["https://other.example"]), True),
        (lambda pond: pond.add_middleware(GZipMiddleware, minimum_size=100_000), True),
    ],
)
async def test_where_middleware_of_the_users_may_read_the_query_nothing_is_claimed(
    project: Project, add: Callable[[Millpond], object], claimed: bool
) -> None:
    project.routes(ROUTES)
    await project.built()
    pond = project.pond()
    add(pond)
    async with pond.lifespan(), client_of(pond) as client:
        for _ in range(3):
            assert [said(await client.get(path)) for path in ("/items", "/static")] == (
                [ITEMS, "params"] if claimed else [None, None]
            )


async def test_a_guard_that_reads_the_query_makes_the_route_live_which_says_nothing(project: Project) -> None:
    guard = """
        from fastapi import APIRouter, Depends, HTTPException, Request

        def guard(request: Request):
            if request.query_params.get("token") != "t":
                raise HTTPException(403)

        router = APIRouter(dependencies=[Depends(guard)])
    """
    project.routes({"/shut/fresh": ROUTES["/fresh"], "/shut/items": ROUTES["/items"]})
    project.write({"app/shut/router.py": guard})
    async with project.started() as pond:
        for path in ("/shut/fresh?token=t", "/shut/items?token=t"):
            answer = await pond.get(path)
            assert (answer.status_code, said(answer)) == (200, None)


async def test_endpoints_in_code_say_it_where_the_path_alone_tells_who_answers(project: Project) -> None:
    source = """
        @app.get("/listed")
        @static(revalidate=60, cache_query=("page",))
        def listed(page: int = 1): return page

        @app.get("/plain")
        def plain(page: int = 1): return page
    """
    async with serving(project, source) as (pond, _):
        assert await claims(pond, "/listed", "/listed?page=2&x=1", "/plain") == [
            'key-order, params, except=("page")',
            'key-order, params, except=("page")',
            None,
        ]


@pytest.mark.parametrize("cache_components", [False, True])
async def test_it_is_said_below_a_base_path_and_in_a_parent(project: Project, cache_components: bool) -> None:
    route = "def GET(): return 'x'" if cache_components else ROUTES["/static"]
    project.routes({"/static": route})
    config: dict[str, Any] = {"base_path": "/shop", "compat": "16", "cache_components": cache_components}
    await project.built(**config)
    pond = project.pond(**config)
    parent = FastAPI(lifespan=pond.lifespan)
    parent.mount("/all", pond)
    async with pond.lifespan(), client_of(parent) as client:
        assert said(await client.get("/all/shop/static")) == "params"
