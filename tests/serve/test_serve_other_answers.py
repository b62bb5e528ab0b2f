"""With caches in front, each answer says what they may do with it: errors, redirects, what no route or code answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from starlette.staticfiles import StaticFiles

from declared_in_code import declare
from millpond import revalidate_path
from millpond.cache.active_application import required_cache
from millpond.policy.http.headers import UNCACHED
from millpond.policy.http.surrogate import key_of
from millpond.policy.tags import EVERYTHING
from millpond.routes.naming.named_path import named_path
from ponds import client_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from millpond import Millpond
    from ponds import Project

pytestmark = pytest.mark.anyio

NOBODYS = UNCACHED.decode()
SHARED = "public, max-age=0, s-maxage=60"
CDN: dict[str, Any] = {"cdn": {"headers": ["surrogate-key"]}}

ROUTES = {
    "/static": "dynamic = 'force-static'\ndef GET(): return 'static'",
    "/items/[id]": """
        dynamic_params = False
        def generate_static_params(): return [{"id": "1"}]
        def GET(id: str): return id
    """,
    "/live/[n]": """
        from fastapi import HTTPException
        def GET(n: int, request):
            if n == 0: raise HTTPException(404)
            if n == 1: raise RuntimeError
            return n
    """,
}
MAIN = """
    @app.get("/plain")
    def plain(): return {}

    @app.get("/missing")
    def missing(): raise HTTPException(404)

    @app.get("/said")
    def said(response: Response):
        response.headers["cache-control"] = "public, max-age=9"
        return {}

    @app.get("/tagged")
    def tagged(response: Response):
        response.headers["etag"] = '"1"'
        return {}

    @app.get("/cookie")
    def cookie(response: Response):
        response.set_cookie("a", "b")
        response.headers["etag"] = '"1"'
        return {}

    @app.post("/plain")
    def change(): return {}
"""


def said(answer: httpx2.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.headers.get("cache-control")


async def pond_of(project: Project, main: str = MAIN, **config: Any) -> Millpond:
    project.routes(ROUTES)
    project.write({"public/logo.svg": "<svg/>", "assets/site.css": "a {}"})
    pond = project.pond(**config)
    declare(project, pond, main)
    pond.mount("/assets", StaticFiles(directory=project.folder / "assets"))
    return pond


KINDS = [
    ("GET", "/nowhere", 404, SHARED),
    ("HEAD", "/nowhere", 404, SHARED),
    ("GET", "/items/2", 404, SHARED),
    ("POST", "/nowhere", 404, NOBODYS),
    ("GET", "/static/", 308, SHARED),
    ("GET", "/a/%2e%2e/static", 308, SHARED),
    ("GET", "/moved", 308, SHARED),
    ("GET", "/plain/", 307, NOBODYS),
    ("GET", "/openapi.json", 200, SHARED),
    ("GET", "/docs", 200, SHARED),
    ("GET", "/redoc", 200, SHARED),
    ("GET", "/logo.svg", 200, SHARED),
    ("POST", "/logo.svg", 405, NOBODYS),
    ("GET", "/plain", 200, NOBODYS),
    ("POST", "/plain", 200, NOBODYS),
    ("PUT", "/plain", 405, NOBODYS),
    ("GET", "/missing", 404, NOBODYS),
    ("GET", "/said", 200, "public, max-age=9"),
    ("GET", "/tagged", 200, "no-cache"),
    ("GET", "/cookie", 200, NOBODYS),
    ("GET", "/assets/site.css", 200, "no-cache"),
    ("GET", "/assets/none.css", 404, NOBODYS),
    ("GET", "/live/2", 200, NOBODYS),
    ("GET", "/live/0", 404, NOBODYS),
    ("GET", "/live/1", 500, NOBODYS),
    ("GET", "/live/x", 422, NOBODYS),
    ("POST", "/live/2", 405, NOBODYS),
    ("GET", "/static/%zz", 404, SHARED),
    ("GET", "/live/%zz", 400, NOBODYS),
]
MOVED: dict[str, Any] = {"redirects": [{"source": "/moved", "destination": "https://other.example/", "status": 308}]}


@pytest.mark.parametrize(("method", "path", "status", "value"), KINDS)
async def test_each_kind_of_answer_says_what_caches_may_do(
    project: Project, method: str, path: str, status: int, value: str
) -> None:
    pond = await pond_of(project, **CDN, **MOVED)
    async with pond.lifespan(), client_of(pond) as client:
        answer = await client.request(method, path)
        assert said(answer) == (status, value)
        keys = answer.headers.get("surrogate-key", "").split()
        assert (key_of(EVERYTHING) in keys) is (value == SHARED)


async def test_a_file_that_a_client_has_already_is_told_like_the_file(project: Project) -> None:
    pond = await pond_of(project, **CDN)
    async with pond.lifespan(), client_of(pond) as client:
        etag = (await client.get("/logo.svg")).headers["etag"]
        assert said(await client.get("/logo.svg", headers={"if-none-match": etag})) == (304, SHARED)
        assert said(await client.get("/logo.svg", headers={"range": "bytes=0-1"})) == (206, SHARED)


async def test_without_caches_in_front_nothing_is_said(project: Project) -> None:
    pond = await pond_of(project, **MOVED)
    async with pond.lifespan(), client_of(pond) as client:
        for path in ("/nowhere", "/static/", "/openapi.json", "/plain", "/live/0", "/moved", "/assets/site.css"):
            assert said(await client.get(path))[1] is None
        assert said(await client.get("/logo.svg"))[1] == "public, max-age=0"


async def test_how_long_caches_keep_them_is_configured(project: Project) -> None:
    for seconds, value in ((5, "public, max-age=0, s-maxage=5"), (0, NOBODYS)):
        pond = await pond_of(project, cdn={"other_max_age": seconds, "cdn_cache_control": True})
        async with pond.lifespan(), client_of(pond) as client:
            answer = await client.get("/nowhere")
            assert said(answer) == (404, value)
            assert answer.headers.get("cdn-cache-control") == ("max-age=5" if seconds else None)


async def test_an_invalidation_of_the_path_or_of_what_is_above_names_a_key_of_the_answer(project: Project) -> None:
    pond = await pond_of(project, **CDN)
    async with pond.lifespan(), client_of(pond) as client:
        keys = set((await client.get("/blog/new%20post")).headers["surrogate-key"].split())
        names = required_cache("test").names
        for path, kind in (("/blog/new post", None), ("/blog", "layout"), ("/", "layout")):
            named = named_path(path, kind, names)  # type: ignore[arg-type]
            assert keys & set(map(key_of, named.tags)), path
        assert not keys & set(map(key_of, named_path("/blog/old", None, names).tags))
        revalidate_path("/", "layout")


# What the user's code answers


async def by_cookie(request: Request, call_next: Callable[[Request], Any]) -> Response:
    if request.url.path == "/closed":
        return Response("closed", 404)
    answer: Response = await call_next(request)
    return answer


async def test_with_middleware_of_the_users_nothing_counts_as_the_same_for_everybody(project: Project) -> None:
    pond = await pond_of(project, **CDN)
    pond.middleware("http")(by_cookie)
    async with pond.lifespan(), client_of(pond) as client:
        for path in ("/nowhere", "/static/", "/openapi.json", "/plain", "/live/0", "/live/1", "/missing"):
            assert said(await client.get(path))[1] == NOBODYS, path
        assert said(await client.get("/logo.svg"))[1] == "public, max-age=0"
        assert said(await client.get("/assets/site.css"))[1] == "no-cache"


async def test_what_middleware_answers_is_its_own(project: Project) -> None:
    pond = await pond_of(project, **CDN)
    pond.middleware("http")(by_cookie)
    async with pond.lifespan(), client_of(pond) as client:
        assert said(await client.get("/closed")) == (404, None)


async def test_an_answer_to_which_middleware_adds_a_cookie_is_one_visitors(project: Project) -> None:
    """Also a hit, which is everybody's further in."""
    pond = await pond_of(project, **CDN)

    @pond.middleware("http")
    async def counting(request: Request, call_next: Callable[[Request], Any]) -> Response:
        answer: Response = await call_next(request)
        if "counted" not in request.cookies:
            answer.set_cookie("counted", "yes")
        return answer

    async with pond.lifespan(), client_of(pond) as client:
        for path in ("/static", "/static", "/logo.svg", "/said"):
            assert said(await client.get(path))[1] == NOBODYS, path
            client.cookies.clear()
            assert said(await client.get(path, headers={"cookie": "counted=yes"}))[1] != NOBODYS, path


async def test_a_404_that_the_user_has_written_may_be_each_visitors_own(project: Project) -> None:
    pond = await pond_of(project, **CDN)

    @pond.exception_handler(404)
    async def missing(request: Request, error: Exception) -> Response:
        headers = {"cache-control": "max-age=5"} if request.url.path == "/five" else {}
        return JSONResponse({"you": request.headers.get("cookie")}, 404, headers)

    async with pond.lifespan(), client_of(pond) as client:
        assert said(await client.get("/nowhere")) == (404, NOBODYS)
        assert said(await client.get("/five")) == (404, "max-age=5")


async def test_a_configured_header_wins(project: Project) -> None:
    fixed = [{"source": "/moved", "name": "Cache-Control", "value": "max-age=7"}]
    pond = await pond_of(project, **CDN, **MOVED, headers=fixed)
    async with pond.lifespan(), client_of(pond) as client:
        assert said(await client.get("/moved")) == (308, "max-age=7")


async def test_in_a_parent_only_the_millponds_own_answers_are_told(project: Project) -> None:
    pond = await pond_of(project, **CDN)
    parent = FastAPI()
    parent.mount("/shop", pond)

    @parent.get("/parents")
    def parents() -> dict[str, str]:
        raise HTTPException(404)

    async with pond.lifespan(), client_of(parent) as client:
        assert said(await client.get("/shop/nowhere")) == (404, SHARED)
        assert said(await client.get("/parents")) == (404, None)
