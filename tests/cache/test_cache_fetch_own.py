"""fetch() of the application's own paths: in process, at build too, and never in a circle (D19)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from upstreams import upstream

from millpond import fetch
from millpond.errors import UsageError

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

ECHO = """
from millpond import Request
async def GET(request: Request): return {"q": request.url.query, "x": request.headers.get("x")}
async def POST(request: Request): return (await request.body()).decode()
"""


def reading(url: str, options: str = "", config: str = 'dynamic = "force-dynamic"') -> str:
    return f"""
from millpond import fetch
{config}
async def GET():
    answer = await fetch("{url}"{", " + options if options else ""})
    return f"{{answer.status_code}} {{answer.text}}"
"""


async def body(running: Running, path: str = "/") -> str:
    answer = await asyncio.wait_for(running.get(path), 5)
    return str(answer.json()) if answer.status_code == 200 else str(answer.status_code)


async def test_query_headers_and_body_arrive(project: Project) -> None:
    project.routes(
        {
            "/": reading("/echo?a=1&b=%20", "headers={'x': 'y'}"),
            "/post": reading("/echo", "method='POST', content='hello'"),
            "/echo": ECHO,
        }
    )
    async with project.started() as running:
        assert await body(running) == '200 {"q":"a=1&b=%20","x":"y"}'
        assert await body(running, "/post") == '200 "hello"'


async def test_a_path_that_is_not_there_is_404(project: Project) -> None:
    project.routes({"/": reading("/nowhere")})
    async with project.started() as running:
        assert (await body(running)).startswith("404 ")


async def test_a_build_needs_no_port(project: Project) -> None:
    project.routes(
        {
            "/": reading("/items", "cache='force-cache'", "revalidate = 60"),
            "/items": 'revalidate = 10\nasync def GET(): return "items"',
        }
    )
    async with project.serving() as running:
        assert (await running.get("/")).headers["x-nextjs-cache"] == "HIT"
        assert await body(running) == '200 "items"'


async def test_a_base_path_is_part_of_the_url(project: Project) -> None:
    project.routes({"/": reading("/docs/items"), "/items": "def GET(): return 1"})
    async with project.started(base_path="/docs") as running:
        assert await body(running, "/docs") == "200 1"


async def test_the_redirect_for_a_slash_is_followed(project: Project) -> None:
    project.routes({"/": reading("/items"), "/items": "def GET(): return 1"})
    async with project.started(trailing_slash=True) as running:
        assert await body(running) == "200 1"


async def test_a_redirect_to_another_host_goes_there(project: Project) -> None:
    async with upstream() as source:
        go = f'from millpond import redirect\ndynamic = "force-dynamic"\ndef GET(): redirect("{source.url}/there")'
        project.routes({"/": reading("/go"), "/go": go, "/there": 'def GET(): return "here"'})
        async with project.started() as running:
            assert await body(running) == "200 /there 1"


async def test_a_cached_answer_of_ones_own_is_kept(project: Project) -> None:
    project.routes(
        {
            "/": reading("/count", "revalidate=10"),
            "/count": 'dynamic = "force-dynamic"\nn = 0\ndef GET():\n    global n\n    n += 1\n    return n',
        }
    )
    async with project.started() as running:
        assert [await body(running) for _ in range(2)] == ["200 1", "200 1"]


async def test_outside_of_handlers_the_one_application_answers(project: Project) -> None:
    project.routes({"/items": "def GET(): return 1"})
    async with project.started():
        assert (await fetch("/items")).text == "1"


async def test_without_an_application_a_path_is_refused() -> None:
    with pytest.raises(UsageError, match="a path needs a running application"):
        await fetch("/items")


# Circles


@pytest.mark.parametrize("url", ["/", "/?a=1", "/#x"])
@pytest.mark.parametrize("config", ["revalidate = 60", 'dynamic = "force-dynamic"'], ids=["shared", "live"])
@pytest.mark.parametrize("options", ["", "cache='force-cache'"], ids=["bare", "cached"])
async def test_a_route_that_asks_for_itself_is_refused(
    project: Project, caplog: pytest.LogCaptureFixture, url: str, config: str, options: str
) -> None:
    project.routes({"/": reading(url, options, config)})
    async with project.started() as running:
        assert await body(running) == "500"
    assert "is circular" in caplog.text or "circular wait" in caplog.text


async def test_a_chain_of_fetches_does_not_reach_the_recursion_limit(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    deep = """
from millpond import fetch
dynamic = "force-dynamic"
async def below(frames):
    return await (below(frames - 1) if frames else fetch("/"))
async def GET():
    return f"{(await below(60)).status_code}"
"""
    project.routes({"/": deep})
    async with project.started() as running:
        assert await body(running) == "500"
    assert "is circular" in caplog.text


@pytest.mark.parametrize("config", ["revalidate = 60", 'dynamic = "force-dynamic"'], ids=["shared", "live"])
async def test_two_routes_that_ask_for_each_other_are_refused(
    project: Project, caplog: pytest.LogCaptureFixture, config: str
) -> None:
    project.routes(
        {"/a": reading("/b", "cache='force-cache'", config), "/b": reading("/a", "cache='force-cache'", config)}
    )
    async with project.started() as running:
        assert await body(running, "/a") == "500"
    assert "is circular" in caplog.text or "circular wait" in caplog.text


@pytest.mark.parametrize("config", ["revalidate = 60", 'dynamic = "force-dynamic"'], ids=["shared", "live"])
async def test_two_requests_that_come_to_wait_for_each_other_both_end(
    project: Project, caplog: pytest.LogCaptureFixture, config: str
) -> None:
    project.routes(
        {"/a": reading("/b", "cache='force-cache'", config), "/b": reading("/a", "cache='force-cache'", config)}
    )
    async with project.started() as running:
        await asyncio.gather(body(running, "/a"), body(running, "/b"))
    assert "circular wait" in caplog.text


@pytest.mark.parametrize("url", ["/docs/a", "/docs/%61", "/docs/b/../a"])
async def test_another_spelling_of_the_own_path_is_a_circle_too(
    project: Project, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    project.routes({"/a": reading(url, config="revalidate = 60")})
    async with project.started(base_path="/docs") as running:
        assert await body(running, "/docs/a") == "500"
    assert "circular wait" in caplog.text or "is circular" in caplog.text


async def test_a_cached_function_may_ask_the_live_route_that_calls_it_for_something_else(project: Project) -> None:
    project.routes(
        {
            "/": """
from millpond import cached, fetch
dynamic = "force-dynamic"
@cached
async def other():
    return (await fetch("/?page=2")).text
async def GET(page: int = 1):
    return await other() if page == 1 else "the second"
"""
        }
    )
    async with project.started() as running:
        assert await body(running) == '"the second"'


async def test_a_build_refuses_a_circle(project: Project) -> None:
    project.routes({"/a": reading("/b", config="revalidate = 60"), "/b": reading("/a", config="revalidate = 60")})
    failures = await project.failures()
    assert any("is circular" in failure for failure in failures)


async def test_a_cached_function_that_comes_back_to_itself_is_refused(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes(
        {
            "/": """
            from millpond import cached, fetch
            dynamic = "force-dynamic"
            @cached
            async def value():
                return (await fetch("/")).text
            async def GET():
                return await value()
            """
        }
    )
    async with project.started() as running:
        assert await body(running) == "500"
    assert "value() is part of a circular wait" in caplog.text


async def test_a_diamond_is_no_circle(project: Project) -> None:
    project.routes(
        {
            "/": """
            import asyncio
            from millpond import fetch
            dynamic = "force-dynamic"
            async def GET():
                both = await asyncio.gather(fetch("/a", revalidate=10), fetch("/b", revalidate=10))
                return [answer.json() for answer in both]
            """,
            "/a": reading("/c", "revalidate=10"),
            "/b": reading("/c", "revalidate=10"),
            "/c": "revalidate = 10\ndef GET(): return 1",
        }
    )
    async with project.started() as running:
        assert await body(running) == "['200 1', '200 1']"


async def test_a_cached_function_may_ask_for_what_reads_its_request(project: Project) -> None:
    project.write(
        {
            "instrumentation.py": """
            from fastapi import Request
            def register(app):
                from starlette.middleware.base import BaseHTTPMiddleware
                @lambda function: app.add_render_middleware(BaseHTTPMiddleware, dispatch=function)
                async def spoken(request, call_next):
                    request.headers.get("accept-language")
                    return await call_next(request)
                @app.get("/own")
                async def own(request: Request): return request.headers.get("x-shop")
            """
        }
    )
    project.routes(
        {
            "/": """
            from millpond import cached, fetch
            dynamic = "force-dynamic"
            @cached
            async def asked(path: str, method: str) -> list[str]:
                answer = await fetch(path, method=method, headers={"x-shop": "oak"})
                return [str(answer.status_code), answer.text]
            async def GET():
                return [await asked("/own", "GET"), await asked("/live", "GET"), await asked("/live", "PUT")]
            """,
            "/live": 'dynamic = "force-dynamic"\ndef GET(request): return request.headers.get("x-shop")\n',
        }
    )
    async with project.started() as running:
        assert (await running.get("/")).json() == [
            ["200", '"oak"'],
            ["200", '"oak"'],
            ["405", '{"detail":"Method Not Allowed"}'],
        ]


STREAM = """
from starlette.responses import StreamingResponse
dynamic = "force-dynamic"
async def pieces():
    yield b"half"
    raise OSError("the upstream is gone")
def GET(): return StreamingResponse(pieces())
"""


async def test_an_own_answer_that_fails_in_its_middle_is_an_error_and_not_half_an_answer(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes({"/": reading("/stream"), "/stream": STREAM})
    async with project.started() as running:
        assert await body(running) == "500"
    assert "RemoteProtocolError: /stream failed before its answer was complete" in caplog.text


async def test_an_own_path_that_is_malformed_is_answered_by_400(project: Project) -> None:
    project.routes({"/": reading("/items/%zz"), "/items/[id]": "def GET(id): return id\n"})
    async with project.started() as running:
        assert await body(running) == '400 {"detail":"Bad Request"}'
