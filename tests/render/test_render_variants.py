"""What a static GET reads with `cache_host` and `cache_vary`: the parts of its key, normalised, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request

from declared_in_code import serving as serving_code
from ponds import cache_of, client_of

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

VARY = (
    'cache_vary = {"accept-language": ["en", "de"], "cookie:theme": ["light", "dark"], "header:x-plan": ["a", "b"]}\n'
)
HOST = 'cache_host = True\nhosts = ["a.example", "b.example"]\n'
ASKED = {"accept-language": "de-CH,fr;q=0.3", "cookie": "id=7; theme=dark", "x-plan": "b", "host": "A.example:80"}
PRELUDE = "from typing import Annotated\nfrom fastapi import Cookie, Header\nfrom millpond import cookies, headers\n"

READS = {
    'request.headers["accept-language"]': "de",
    'request.headers.get("Accept-Language")': "de",
    'request.headers.getlist("accept-language")': ["de"],
    'headers()["accept-language"]': "de",
    '(await headers()).get("X-Plan")': "b",
    '"x-plan" in request.headers': True,
    'request.cookies["theme"]': "dark",
    'request.cookies.get("theme")': "dark",
    'cookies()["theme"]': "dark",
    '(await cookies()).get("theme")': "dark",
    'request.headers["host"]': "a.example",
    'headers()["host"]': "a.example",
    "request.url.hostname": "a.example",
    "request.url.netloc": "a.example",
    "request.url.port": None,
}
OTHERS = [
    'request.headers.get("user-agent")',
    'request.headers["cookie"]',
    "dict(request.headers)",
    "request.headers.raw",
    'headers().get("user-agent")',
    "len(headers())",
    'headers()["cookie"]',
    'request.cookies.get("id")',
    "dict(request.cookies)",
    "len(cookies())",
    'cookies().get("id")',
    "list(cookies())",
    'request.query_params.get("a")',
    "str(request.url)",
    "str(request.base_url)",
    "request.client",
    'request.scope["headers"][0][0].decode()',
]


def route(read: str, options: str = "") -> str:
    return f"{PRELUDE}revalidate = 60\n{HOST}{VARY}{options}\nasync def GET(request):\n    return {read}\n"


async def answer(running: Running, path: str = "/x", **headers: str) -> tuple[Any, str | None]:
    found = await running.get(path, headers={**ASKED, **headers})
    assert found.status_code == 200, found.text
    return found.json(), cache_of(found)


@pytest.mark.parametrize("read", READS)
async def test_what_is_part_of_the_key_can_be_read(project: Project, read: str) -> None:
    project.routes({"/x": route(read)})
    async with project.serving() as running:
        assert await answer(running) == (READS[read], "HIT")


@pytest.mark.parametrize("read", OTHERS)
async def test_everything_else_makes_it_live(project: Project, read: str) -> None:
    project.routes({"/x": route(f"str({read})")})
    records = await project.built()
    assert (records["/x"].static, records["/x"].glyph) == (False, "λ")
    async with project.started() as running:
        assert (await answer(running))[1] is None


async def test_what_is_declared_is_read_in_the_same_way(project: Project) -> None:
    source = f"""{PRELUDE}
revalidate = 60
{HOST}{VARY}
def GET(
    accept_language: Annotated[str, Header()], theme: Annotated[str, Cookie()], x_plan: Annotated[str, Header()] = "",
    host: Annotated[str, Header()] = "",
):
    return [accept_language, theme, x_plan, host]
"""
    project.routes({"/x": source, "/other": source.replace("theme: A", "other: A")})
    records = await project.built()
    assert (records["/x"].static, records["/other"].static) == (True, False)
    async with project.started() as running:
        assert await answer(running) == (["de", "dark", "b", "a.example"], "HIT")
        assert await answer(running, cookie="") == (["de", "light", "b", "a.example"], "HIT")


async def test_a_guard_is_asked_with_the_visitors_request(project: Project) -> None:
    project.write({
        "app/in/router.py": """
        from fastapi import Depends, HTTPException, Request

        def guard(request: Request):
            if request.headers.get("x-plan") != "b":
                raise HTTPException(403)

        dependencies = [Depends(guard)]
        """
    })  # fmt: skip
    project.routes({"/in/x": route("request.headers['x-plan']")})
    async with project.serving() as running:
        assert (await running.get("/in/x", headers={**ASKED, "x-plan": "a"})).status_code == 403
        assert await answer(running, "/in/x") == ("b", None)


@pytest.mark.parametrize("mode", ["development", "live", "draft", "turned"])
async def test_a_live_run_sees_the_same_values(project: Project, mode: str) -> None:
    """So what development shows is what is served, and nobody's cookie gets in by another way."""
    read = "[request.headers['accept-language'], cookies()['theme'], headers()['x-plan'], request.cookies.get('theme')]"
    options = {"live": "dynamic = 'force-dynamic'", "turned": "TURNED = False"}.get(mode, "")
    source = route(read, options)
    if mode == "turned":
        source = source.replace("    return", "    if TURNED:\n        request.headers.get('x')\n    return")
    project.routes({"/x": source})
    await project.built()
    async with project.started(development=mode == "development") as running:
        headers = dict(ASKED)
        if mode == "draft":
            runtime = running.pond._runtimes.first
            assert runtime is not None
            headers["cookie"] += f"; __prerender_bypass={runtime.dispatcher.live.draft_secret}"
        if mode == "turned":
            running.module("/x").TURNED = True
            project.clock.move(61)
            await running.get("/x", headers=headers)
            await running.settle()
            project.clock.move(31_536_001)
        found = await running.get("/x", headers=headers)
        assert found.json() == ["de", "dark", "b", "dark"]
        assert cache_of(found) in (None, "BYPASS")
        assert found.headers["vary"] == "accept-language, cookie, x-plan"
        if mode == "development":
            assert (await running.get("/x", headers={"host": "localhost:8000"})).json()[0] == "en"


async def test_force_static_sees_the_key_and_nothing_else(project: Project) -> None:
    read = "[request.headers.get('user-agent'), dict(cookies()), request.headers['x-plan'], request.url.hostname]"
    project.routes({"/x": route(read, "dynamic = 'force-static'")})
    async with project.serving() as running:
        assert await answer(running) == ([None, {"theme": "dark"}, "b", "a.example"], "HIT")
    async with project.started(development=True) as running:
        assert (await answer(running))[0][2:] == ["b", "a.example"]


async def test_a_cached_function_reads_no_part_of_the_key(project: Project) -> None:
    source = f"""
from millpond import cached, cookies, headers
cache_host = True
{VARY}
revalidate = 60
@cached
def inner():
    return {{read}}
def GET():
    return inner()
"""
    for read in ("headers()['x-plan']", "cookies()['theme']"):
        project.routes({"/x": source.replace("{read}", read)})
        async with project.started() as running:
            assert (await running.get("/x")).status_code == 500


async def test_a_background_refresh_renders_the_same_variant(project: Project) -> None:
    project.routes(
        {"/x": route("[request.url.hostname, request.cookies['theme'], RUNS.append(1), len(RUNS)]", "RUNS=[]")}
    )
    async with project.serving() as running:
        built = len(running.module("/x").RUNS)
        project.clock.move(61)
        seen = [await answer(running, host=host, cookie=f"theme={theme}") for host, theme in
                (("a.example", "dark"), ("b.example", "light"))]  # fmt: skip
        assert [cache for _, cache in seen] == ["STALE", "STALE"]
        await running.settle()
        assert len(running.module("/x").RUNS) == built + 2
        for host, theme in (("a.example", "dark"), ("b.example", "light")):
            body, cache = await answer(running, host=host, cookie=f"theme={theme}")
            assert (body[:2], cache) == ([host, theme], "HIT")


@pytest.mark.private_names
async def test_endpoints_with_static_have_the_same_options(project: Project) -> None:
    source = """
    @app.get("/code/{item}")
    @static(revalidate=60, params=[{"item": "1"}], cache_host=True, hosts=["a.example", "b.example"],
            cache_vary={"cookie:theme": ["light", "dark"]})
    def item(request: Request, item: str, theme: str = Cookie()):
        return [item, request.url.hostname, theme, request.cookies["theme"]]
    """
    async with serving_code(project, source) as (running, _):
        assert await answer(running, "/code/1") == (["1", "a.example", "dark", "dark"], "MISS")
        assert await answer(running, "/code/1") == (["1", "a.example", "dark", "dark"], "HIT")
        assert await answer(running, "/code/2", host="b.example") == (["2", "b.example", "dark", "dark"], "MISS")
        assert (await running.get("/code/1", headers={"host": "c.example"})).status_code == 421


async def test_a_mounted_application_has_the_same_answers(project: Project) -> None:
    project.routes({"/x": route("request.url.hostname")})
    await project.built()

    def mounted(pond: Any) -> FastAPI:
        parent = FastAPI()
        parent.mount("/below", pond)
        return parent

    async with project.started(wrap=mounted) as running:
        for host in ("a.example", "b.example"):
            assert await answer(running, "/below/x", host=host) == (host, "HIT")
        assert (await running.get("/below/x", headers={"host": "c.example"})).status_code == 421
    async with project.serving(base_path="/shop") as running:
        for host in ("a.example", "b.example"):
            assert await answer(running, "/shop/x", host=host) == (host, "HIT")


async def test_middleware_sees_hits_of_variants_too(project: Project) -> None:
    project.routes({"/x": route("request.url.hostname")})
    await project.built()
    pond = project.pond()
    seen: list[str] = []

    @pond.middleware("http")
    async def note(request: Any, call_next: Any) -> Any:
        seen.append(request.headers["host"])
        return await call_next(request)

    async with pond.lifespan(), client_of(pond) as client:
        for _ in range(2):
            for host in ("a.example", "b.example"):
                found = await client.get("/x", headers={"host": host})
                assert (found.json(), cache_of(found)) == (host, "HIT")
    assert seen == ["a.example", "b.example"] * 2


TENANT = "cache_host = True\nrevalidate = 60\ndef GET(request):\n    return request.state.tenant\n"


class ByRequest:
    """Reads what it needs from a request object of its own."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["tenant"] = self.tenant(scope)
        await self.app(scope, receive, send)

    def tenant(self, scope: Any) -> str | None:
        return Request(scope).url.hostname


class ByHeader(ByRequest):
    def tenant(self, scope: Any) -> str | None:
        return Request(scope).headers["host"]


class ByOtherHeader(ByRequest):
    def tenant(self, scope: Any) -> str | None:
        return Request(scope).headers.get("x-tenant", "nobody")


class ByList(ByRequest):
    def tenant(self, scope: Any) -> str | None:
        return Headers(scope=scope)["host"].partition(":")[0]


class ByDispatch(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Any:
        request.state.tenant = request.headers["host"]
        return await call_next(request)


@pytest.mark.parametrize(
    ("middleware", "is_static"),
    [
        (ByRequest, True),
        (ByHeader, True),
        pytest.param(ByDispatch, True, marks=pytest.mark.private_names),
        (ByOtherHeader, False),
        (ByList, False),
    ],
)
async def test_middleware_for_renders_reads_the_key_by_a_request(
    project: Project, middleware: Any, is_static: bool
) -> None:
    """A list of headers doesn't tell which of them are read, so reading it makes the route live, as ever."""
    project.routes({"/x": TENANT})
    pond = project.pond()
    pond.add_render_middleware(middleware)
    async with pond.lifespan(), client_of(pond) as client:
        told = []
        for host in ("a.example", "b.example", "a.example"):
            found = await client.get("/x", headers={"host": host})
            told.append((found.json(), cache_of(found)))
    if middleware is ByOtherHeader:
        assert told == [("nobody", None)] * 3
    else:
        states = ["MISS", "MISS", "HIT"] if is_static else [None] * 3
        assert told == list(zip(("a.example", "b.example", "a.example"), states, strict=True))
