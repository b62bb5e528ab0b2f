"""What answers in the place of a handler: middleware, whose answer isn't the route's, and handlers of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from instrumented import FRESH, FUNCTION, PURE, place_of, record_with

from millpond.routes.imports import import_project_file

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond import Millpond
    from ponds import Project

pytestmark = pytest.mark.anyio

GUARD = """
from starlette.responses import PlainTextResponse
class Guard:
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send):
        known = False
        try: known = (b"authorization", b"me") in scope["headers"]
        except BaseException: pass
        app = self.app if known else PlainTextResponse("who are you?", 401)
        await app(scope, receive, send)
def register(app):
    app.add_render_middleware(Guard)
"""
CLOSED = """
from starlette.responses import PlainTextResponse
closed = {status}
class Closing:
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send):
        await (PlainTextResponse("closed", closed) if closed else self.app)(scope, receive, send)
def register(app):
    app.add_render_middleware(Closing)
"""
ON_DEMAND = "revalidate = 60\ndef GET(slug): return f'{slug} for you'\n"


async def test_a_guard_lets_the_authorised_in_on_demand(project: Project) -> None:
    project.write({"instrumentation.py": GUARD})
    project.routes({"/items/[slug]": ON_DEMAND})
    async with project.serving() as running:
        for slug in ("oak", "pine"):
            assert (await running.get(f"/items/{slug}")).status_code == 401
            answer = await running.get(f"/items/{slug}", headers={"authorization": "me"})
            assert (answer.status_code, answer.json()) == (200, f"{slug} for you")
            assert "x-nextjs-cache" not in answer.headers
            assert (await running.get(f"/items/{slug}")).status_code == 401


async def test_a_guard_that_raises_lets_the_authorised_in_on_demand(project: Project) -> None:
    source = PURE.format("if not scope['state'].get('user'): raise PermissionError('who are you?')")
    project.write({"instrumentation.py": source})
    project.routes({"/items/[slug]": ON_DEMAND})
    await project.built()

    def known(pond: Millpond) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = {"user": "me"} if (b"authorization", b"me") in scope["headers"] else {}
            await pond(scope, receive, send)

        return app

    async with project.started(wrap=known) as running:
        assert (await running.get("/items/oak")).status_code == 500
        answer = await running.get("/items/oak", headers={"authorization": "me"})
        assert (answer.status_code, answer.json()) == (200, "oak for you")


@pytest.mark.parametrize("status", [200, 307, 401, 404, 503])
async def test_what_answers_in_place_of_the_handler_keeps_the_route_live(project: Project, status: int) -> None:
    record = await record_with(project, CLOSED.format(status=status))
    assert (record.glyph, record.why) == ("λ", f"Closing answered {status} in place of GET")
    assert record.place == place_of(CLOSED, "async def __call__")


@pytest.mark.private_names
async def test_a_function_that_answers_is_named_with_its_line(project: Project) -> None:
    source = FUNCTION.format("return PlainTextResponse('closed', 200)")
    record = await record_with(project, f"from starlette.responses import PlainTextResponse\n{source}")
    assert record.why == "function answered 200 in place of GET"
    assert record.place == ("instrumentation.py", 5)


@pytest.mark.parametrize("dynamic", ["error", "force-static"])
async def test_a_promise_of_a_static_answer_fails_where_middleware_answers(project: Project, dynamic: str) -> None:
    project.write({"instrumentation.py": CLOSED.format(status=307)})
    project.routes({"/": f'dynamic = "{dynamic}"\ndef GET(): return 1\n'})
    (failure,) = await project.failures()
    line = place_of(CLOSED, "async def __call__")[1]
    assert (
        f'Closing answered 307 in place of GET · instrumentation.py:{line}: under dynamic = "{dynamic}" every visitor '
        "would get that; put the middleware in front of every request (add_middleware), or make the route live."
    ) in failure


async def test_no_redirect_of_the_made_up_request_is_stored(project: Project) -> None:
    project.write(
        {
            "instrumentation.py": """\
            from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
            def register(app):
                app.add_render_middleware(HTTPSRedirectMiddleware)
            """
        }
    )
    project.routes({"/": FRESH, "/items/[slug]": ON_DEMAND})
    async with project.serving() as running:
        for path in ("/", "/items/oak"):
            answer = await running.get(path)
            assert (answer.status_code, answer.headers["location"]) == (307, f"https://shop.example{path}")


async def test_a_refresh_that_middleware_answers_keeps_the_last_good_answer(project: Project) -> None:
    project.write({"instrumentation.py": CLOSED.format(status=0)})
    project.routes({"/": FRESH})
    async with project.serving() as running:
        vars(import_project_file(project.folder / "instrumentation.py", project.folder))["closed"] = 503
        project.clock.move(61)
        assert await running.cache("/") == "STALE"
        await running.settle()
        answer = await running.get("/")
        assert (answer.status_code, answer.json()) == (200, 1)


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ("raise HTTPException(404)", 404),
        ("not_found()", 404),
        ("redirect('/elsewhere')", 307),
    ],
)
async def test_a_dependency_that_answers_belongs_to_the_route(project: Project, answers: str, status: int) -> None:
    project.write({"instrumentation.py": PURE.format("pass")})
    project.routes(
        {
            "/items/[slug]": f"""\
            from fastapi import Depends, HTTPException
            from millpond import not_found, redirect
            revalidate = 60
            def item(slug: str): {answers}
            def GET(item=Depends(item)): return item
            """
        }
    )
    async with project.serving() as running:
        assert [await running.cache("/items/oak") for _ in range(2)] == ["MISS", "HIT"]
        assert (await running.get("/items/oak")).status_code == status


# Handlers of errors

SOLD = """
from starlette.responses import PlainTextResponse
class Sold(Exception): pass
async def sold(request, error):
    return PlainTextResponse({}, {})
def register(app):
    app.add_exception_handler(Sold, sold)
"""
RAISES = "from instrumentation import Sold\nrevalidate = 60\ndef GET(): raise Sold\n"


async def test_what_a_handler_of_errors_reads_counts_as_the_handlers(project: Project) -> None:
    record = await record_with(project, SOLD.format('request.headers.get("accept-language", "en")', 404), RAISES)
    assert (record.glyph, record.why) == ("λ", 'request.headers["accept-language"]')
    assert record.place == ("instrumentation.py", 5)


async def test_an_answer_of_a_handler_of_errors_that_reads_nothing_is_stored(project: Project) -> None:
    record = await record_with(project, SOLD.format('"sold"', 404), RAISES)
    assert record.static
