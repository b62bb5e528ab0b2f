"""Draft mode, and the stub of force-static, while serving (R2.13 to R2.17, R3.12 to R3.14, R10.1; D3, D14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ponds import cache_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

DRAFTS = {
    "/draft": """
        from millpond import draft_mode
        def POST(): draft_mode().enable()
        async def DELETE(): (await draft_mode()).disable()
        """,
    "/page": """
        from millpond import Response, draft_mode
        revalidate = 60
        runs = 0
        def GET():
            global runs
            runs += 1
            return Response(f"{draft_mode().is_enabled} {runs}", headers={"cache-control": "public, max-age=9"})
        """,
    "/live": "from millpond import draft_mode\ndef GET(): return draft_mode().is_enabled\n",
}


@pytest.mark.parametrize("compat", ["14", "15", "16"])
async def test_an_editor_sees_every_route_rendered_afresh(project: Project, compat: str) -> None:
    project.routes(DRAFTS)
    async with project.serving(compat=compat) as running:
        assert await running.body("/page") == "False 1"
        enabled = await running.post("/draft")
        cookie = enabled.headers["set-cookie"]
        assert cookie.startswith("__prerender_bypass=")
        assert {part.strip() for part in cookie.split(";")[1:]} == {"HttpOnly", "Path=/", "SameSite=none", "Secure"}
        me = {"cookie": cookie.partition(";")[0]}
        for run in (1, 2):
            answer = await running.get("/page", headers=me)
            assert (answer.text, cache_of(answer)) == (f"True {run}", "BYPASS")
            assert answer.headers.get_list("cache-control") == [
                "private, no-cache, no-store, max-age=0, must-revalidate"
            ]
            assert answer.headers["cache-status"] == "Millpond; fwd=bypass; detail=draft"
        assert await running.body("/live", headers=me) == "true"
        assert await running.body("/page") == "False 1"
        disabled = await running.client.delete("/draft", headers=me)
        assert "Max-Age=0" in disabled.headers["set-cookie"]


@pytest.mark.parametrize("value", ["", "guess", "é", "0" * 64])
async def test_nobody_gets_in_with_a_guess(project: Project, value: str) -> None:
    project.routes(DRAFTS)
    async with project.serving() as running:
        cookie = f"__prerender_bypass={value}".encode("latin-1")
        assert await running.cache("/page", headers=[(b"cookie", cookie)]) == "HIT"


async def test_an_editors_cookie_outlives_a_build(project: Project) -> None:
    project.routes(DRAFTS)
    async with project.serving() as running:
        me = {"cookie": (await running.post("/draft")).headers["set-cookie"].partition(";")[0]}
    async with project.serving() as running:
        assert await running.cache("/page", headers=me) == "BYPASS"


async def test_in_development_the_cookie_needs_no_tls(project: Project) -> None:
    project.routes(DRAFTS)
    async with project.started(development=True) as running:
        cookie = (await running.post("/draft")).headers["set-cookie"]
        assert "SameSite=lax" in cookie
        assert "Secure" not in cookie


STUBBED = """
from millpond import connection, cookies, headers
{config}
async def GET(request):
    connection()
    return [
        dict(request.headers), dict(request.cookies), dict(request.query_params), str(request.url),
        dict(headers()), dict(await cookies()), request.client,
    ]
async def POST(request):
    return [request.headers["x-a"], request.cookies["c"], request.query_params["q"], dict(cookies()), headers()["x-a"]]
"""
EMPTY: list[object] = [{}, {}, {}, "http://localhost:3000/", {}, {}, None]
ASKED = {"headers": {"x-a": "1", "cookie": "c=2"}, "params": {"q": "3"}}


@pytest.mark.parametrize("config", ['dynamic = "force-static"', 'dynamic = "force-static"\nrevalidate = 60'])
async def test_under_force_static_the_request_is_empty(project: Project, config: str) -> None:
    project.routes({"/": STUBBED.format(config=config)})
    async with project.serving() as running:
        answer = await running.get("/", **ASKED)
        assert (answer.json(), cache_of(answer)) == (EMPTY, "HIT")


async def test_force_static_with_revalidate_0_is_live_with_an_empty_request(project: Project) -> None:
    project.routes({"/": STUBBED.format(config='dynamic = "force-static"\nrevalidate = 0')})
    async with project.serving() as running:
        answer = await running.get("/", **ASKED)
        assert (answer.json(), cache_of(answer)) == (EMPTY, None)


async def test_force_static_blanks_no_request_but_gets(project: Project) -> None:
    project.routes({"/": STUBBED.format(config='dynamic = "force-static"')})
    async with project.serving() as running:
        assert (await running.post("/", **ASKED)).json() == ["1", "2", "3", {"c": "2"}, "1"]


async def test_under_force_static_an_uncached_fetch_is_made_and_draft_mode_still_ends_the_render(
    project: Project,
) -> None:
    project.routes(
        {
            "/fetch": """
            import httpx2
            from millpond import fetch
            dynamic = "force-static"
            async def GET():
                try:
                    await fetch("http://127.0.0.1:9/", cache="no-store")
                except httpx2.HTTPError as error:
                    return "asked"
            """,
            "/draft": 'from millpond import draft_mode\ndynamic = "force-static"\ndef GET(): draft_mode().enable()\n',
        }
    )
    records = await project.built()
    assert (records["/fetch"].glyph, records["/draft"].glyph) == ("○", "λ")
    assert records["/draft"].why == "draft_mode().enable()"


ERROR = 'from millpond import *\ndynamic = "error"\n{config}\ndef GET(request): return {value}\n'


@pytest.mark.parametrize(
    "value", ["headers()", "cookies()", "connection()", "request.headers['a']", "str(request.url)"]
)
async def test_under_error_request_data_fails_the_build(project: Project, value: str) -> None:
    project.routes({"/": ERROR.format(config="", value=value)})
    (failure,) = await project.failures()
    assert failure.startswith("/  (app/route.py)\n  app/route.py:4: ")
    assert 'needs a request, but the route says dynamic = "error"; leave it out, or use dynamic = "auto".' in failure


async def test_error_with_revalidate_0_is_live_where_the_request_can_be_read_and_the_functions_raise(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes(
        {
            "/request": ERROR.format(config="revalidate = 0", value="request.headers['x-a']"),
            "/function": ERROR.format(config="revalidate = 0", value="dict(headers())"),
        }
    )
    async with project.serving() as running:
        answer = await running.get("/request", headers={"x-a": "1"})
        assert (answer.json(), cache_of(answer)) == ("1", None)
        assert (await running.get("/function")).status_code == 500
    assert 'app/function/route.py:4: headers() needs a request, but the route says dynamic = "error"' in caplog.text


async def test_error_alone_is_static(project: Project) -> None:
    project.routes({"/": ERROR.format(config="revalidate = 60", value="request.url.path")})
    async with project.serving() as running:
        assert await running.cache("/") == "HIT"
