"""Builds of endpoints with `@static`: what is rendered, what isn't, and what a server makes of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from declared_in_code import build, declare, line_of, pond_of, serving
from millpond import RouteError
from ponds import start

if TYPE_CHECKING:
    from ponds import Project

pytestmark = [pytest.mark.anyio, pytest.mark.private_names]

LISTED = """
    from uuid import UUID

    @app.get("/ints/{n:int}")
    @static(params=[{"n": 1}, {"n": 2}, {"n": 1}])
    def ints(n: int):
        return n

    @app.get("/typed/{n}")
    @static(params=lambda: [{"n": 3}, {"n": "4"}])
    def typed(n: int):
        return n

    async def known():
        return [{"path": "a/b"}, {"path": "c d"}]

    @app.get("/files/{path:path}")
    @static(params=known, revalidate=60, tags=["files"])
    async def files(path: str):
        return path

    @app.get("/floats/{x:float}/{u:uuid}")
    @static(params=[{"x": 1.5, "u": UUID(int=1)}], dynamic_params=False)
    def floats(x: float, u: UUID):
        return [x, str(u)]

    inner = APIRouter(prefix="/{tenant}")
    @inner.get("/x")
    @static(params=({"tenant": "é"},))
    def x(tenant: str):
        return tenant
    app.include_router(inner, prefix="/tenants")

    @app.get("/top")
    @static()
    def top():
        return "top"
"""


async def test_what_is_listed_is_rendered_and_served_from_the_build(project: Project) -> None:
    built = await build(project, LISTED)
    assert [str(failure) for failure in built.failures] == []
    records = {record.pattern: record for record in built.manifest.routes}
    assert {pattern: [path.path for path in record.paths] for pattern, record in records.items()} == {
        "/ints/[n]": ["/ints/1", "/ints/2"],
        "/typed/[n]": ["/typed/3", "/typed/4"],
        "/files/[...path]": ["/files/a/b", "/files/c%20d"],
        "/floats/[x]/[u]": ["/floats/1.5/00000000-0000-0000-0000-000000000001"],
        "/tenants/[tenant]/x": ["/tenants/%C3%A9/x"],
        "/top": ["/top"],
    }
    files = records["/files/[...path]"]
    assert (files.glyph, files.revalidate, files.paths[0].tags) == ("●", 60, ["files"])
    assert str(files.reason) == (
        f"@static(revalidate=60, tags=['files'], params=…) · {line_of(project, '@static(params=known')}"
    )
    async with serving(project, LISTED) as (running, _):
        for path in ("/ints/1", "/typed/4", "/files/c%20d", "/tenants/%C3%A9/x", "/top"):
            assert await running.cache(path) == "HIT", path
        assert await running.cache("/ints/3") == "MISS"
        assert await running.cache("/floats/1.5/00000000-0000-0000-0000-000000000001") == "HIT"
        assert (await running.get("/floats/2.5/00000000-0000-0000-0000-000000000001")).status_code == 404


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("[{'n': 'a'}]", "item 0 of params has 'a' for \"n\""),
        ("[{'n': -1}]", 'item 0 of params has -1 for "n"'),
        ("[{'n': None}]", 'item 0 of params has None for "n"'),
        ("[{'n': 1}, {'m': 1}]", "item 1 of params has the key 'm', which is no parameter of /x/{n:int}"),
        ("[{}]", 'item 0 of params has no "n"'),
        ("[1]", "item 0 of params is a value of type int; it must be a dict with"),
        ("lambda: 5", "params returned a value of type int; return a list of dicts"),
        ("lambda: 1 / 0", "ZeroDivisionError"),
    ],
)
async def test_params_that_do_not_fit_fail_the_build_with_their_place(
    project: Project, given: str, message: str
) -> None:
    built = await build(project, f"@app.get('/x/{{n:int}}')\n@static(params={given})\ndef x(n: int):\n    return n")
    assert len(built.failures) == 1
    text = str(built.failures[0])
    assert message in text
    assert "main.py" in text


async def test_a_path_that_clients_do_not_ask_for_fails_the_build(project: Project) -> None:
    listed = "[{'s': 'a'}, {'s': '../b'}]"
    built = await build(project, f"@app.get('/x/{{s:path}}')\n@static(params={listed})\ndef x(s: str):\n    return s")
    (failure,) = built.failures
    assert "item 1 of params makes the path /x/../b:" in str(failure)


SHADOWED = """
    @app.get("/items/{id}")
    @static(params=[{"id": "1"}])
    def item(id: str):
        return id

    @app.get("/items/after")
    @static()
    def after():
        runs.append("after")

    @app.get("/items/{other:int}")
    @static(params=[{"other": 5}])
    def other(other: int):
        runs.append("other")

    @app.get("/lists/first")
    def first():
        return 1

    @app.get("/lists/{name}")
    @static(params=[{"name": "first"}, {"name": "second"}])
    def lists(name: str):
        runs.append(name)
        return name

    @app.post("/filed")
    def posted():
        return 1

    @app.get("/filed-too/{x}")
    @static()
    def filed(x: str):
        runs.append("filed")
"""


async def test_what_no_request_reaches_is_not_built_and_the_build_says_so(project: Project) -> None:
    project.routes({"/filed": "def GET(): return 1", "/filed-too/[x]": "def GET(x: str): return x"})
    pond, module = pond_of(project, SHADOWED)
    built = await pond.build()
    assert module["runs"] == ["second"]
    records = {record.origin.partition(":")[2].partition(" ")[0]: record for record in built.manifest.routes}
    place = line_of(project, '@app.get("/items/{id}")')
    assert (records["after"].glyph, records["after"].why) == (
        "λ",
        f"never reached: the route /items/{{id}} ({place}) answers it",
    )
    assert not records["other"].static
    said = "\n".join(built.warnings)
    after, posted = line_of(project, '@app.get("/items/after")'), line_of(project, '@app.post("/filed")')
    assert f"{after}: GET /items/after is never reached, and isn't built" in said
    assert "GET /lists/first is never reached" in said
    assert f"{posted}: POST /filed is never reached: app/filed/route.py answers" in said
    assert "GET /filed-too/[x] is never reached, and isn't built: app/filed-too/[x]/route.py answers it" in said


async def test_a_server_refuses_a_build_of_other_endpoints_and_tells_of_edited_ones(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    await build(project, LISTED)
    with caplog.at_level(logging.WARNING, "millpond"):
        async with serving(project, LISTED + "    # edited\n"):
            pass
    assert "main.py was edited after the build" in caplog.text
    pond, _ = pond_of(project, LISTED + "\n    @app.get('/new')\n    @static()\n    def new():\n        return 1\n")
    with pytest.raises(Exception, match=r"main.py:new /new was added after the build"):
        await start(pond)


async def test_with_cache_components_endpoints_are_verified_as_files_are(project: Project) -> None:
    source = """
        import asyncio
        @app.get("/x")
        @static()
        def x():
            return 1
        @app.get("/waits")
        @static()
        async def waits():
            await asyncio.sleep(0.01)
            return 1
        @app.get("/listed/{n}")
        @static(params=[{"n": 1}])
        def listed(n: int):
            return n
        @app.get("/unlisted/{n}")
        @static()
        def unlisted(n: int):
            return n
    """
    built = await build(project, source, cache_components=True)
    glyphs = {record.pattern: record.glyph for record in built.manifest.routes}
    assert glyphs == {"/x": "○", "/waits": "λ", "/listed/[n]": "●", "/unlisted/[n]": "λ"}
    pond, _ = pond_of(project, "@app.get('/x')\n@static(revalidate=60)\ndef x():\n    return 1", cache_components=True)
    with pytest.raises(RouteError, match=r"main.py:6: @static: revalidate can't be used with cache_components = true"):
        await pond.build()


async def test_a_cron_may_run_a_live_endpoint_and_not_a_static_one(project: Project) -> None:
    source = """
        @app.get("/static")
        @static()
        def fixed():
            return 1
        @app.get("/live")
        @static()
        def live(request: Request):
            return request.headers.get("a")
    """
    crons = [{"path": path, "schedule": "0 * * * *"} for path in ("/static", "/live")]
    built = await build(project, source, cron=crons)
    assert ["/static" in str(failure) for failure in built.failures] == [True]


async def test_endpoints_of_one_name_and_path_have_answers_of_their_own(project: Project) -> None:
    """As a factory makes them: for hosts, say, so that both can be reached."""
    source = """
        def make(text):
            @static()
            def endpoint():
                return text
            return endpoint
        from fastapi.routing import APIRoute
        from starlette.routing import Match
        class ForHost(APIRoute):
            def matches(self, scope):
                match, child = super().matches(scope)
                return (match if dict(scope["headers"]).get(b"host") == b"a.example" else Match.NONE), child
        app.router.add_api_route("/x", make("a"), route_class_override=ForHost)
        app.add_api_route("/x", make("b"))
    """
    async with serving(project, source) as (running, _):
        for _ in range(3):
            assert (await running.get("/x", headers={"host": "a.example"})).json() == "a"
            assert (await running.get("/x", headers={"host": "b.example"})).json() == "b"


def test_declaring_in_other_files_is_shown_with_those_files(project: Project) -> None:
    pond = project.pond()
    (project.folder / "shop").mkdir()
    module = declare(
        project, pond, "shop = APIRouter()\n@shop.get('/x')\n@static()\ndef x():\n    return 1", name="shop/api.py"
    )
    pond.include_router(module["shop"], prefix="/in")
    (route,) = pond.own_routes
    assert (route.origin, route.source) == ("shop/api.py:x /in/x", "shop/api.py")


async def test_an_endpoint_that_sends_events_is_live_as_a_route_file_is(project: Project) -> None:
    outcome = await build(
        project,
        """
        from fastapi.sse import EventSourceResponse

        @app.get("/events", response_class=EventSourceResponse)
        @static(revalidate=60)
        async def events():
            yield {"a": 1}
        """,
    )
    (record,) = outcome.manifest.routes
    assert (record.glyph, record.why) == ("λ", "sends events as they happen")
