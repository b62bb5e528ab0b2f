"""The mode as a whole: two runs at build, what fails it, parameters, config, what the table and `explain` say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from components_project import ENDS_BY_ITSELF, assert_ends, assert_static, built_one, built_routes, failures

from millpond.cli.facts.explanation import explain_path
from millpond.errors import RouteModuleError
from ponds import cache_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

KINDS = ["def", "async def"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_get_without_any_opt_in_is_static(project: Project, kind: str) -> None:
    await assert_static(project, f"{kind} GET(): return 1\n")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_handler_runs_twice_at_build_and_what_it_gave_to_after_once(project: Project, kind: str) -> None:
    project.config["cache_components"] = True
    project.routes(
        {
            "/": f"""
            from millpond import after
            runs, afters = [], []
            {kind} GET():
                runs.append(1)
                after(afters.append, len(runs))
                return 1
            """
        }
    )
    pond = project.pond()
    assert (await pond.build()).failures == []
    module = pond.file_routes[0].module.module
    assert (module.runs, module.afters) == ([1, 1], [2])


async def test_a_live_handler_runs_once_at_build_up_to_its_end_point_and_its_after_never(project: Project) -> None:
    project.config["cache_components"] = True
    project.routes(
        {
            "/": """
            from millpond import after, connection
            reached = []
            async def GET():
                reached.append("before")
                after(reached.append, "afterwards")
                await connection()
                reached.append("behind")
                return 1
            """
        }
    )
    pond = project.pond()
    assert (await pond.build()).failures == []
    assert pond.file_routes[0].module.module.reached == ["before"]


REQUEST_DATA = {
    "headers()": ("from millpond import headers", "", "headers()", "headers()"),
    "await cookies()": ("from millpond import cookies", "", "await cookies()", "cookies()"),
    "connection()": ("from millpond import connection", "", "await connection()", "connection()"),
    "draft mode": ("from millpond import draft_mode", "", "draft_mode().enable()", "draft_mode().enable()"),
    "request.headers": ("", "request", "request.headers['x']", 'request.headers["x"]'),
    "query": ("", "request", "request.query_params.get('x')", 'request.query_params["x"]'),
    "revalidate_tag": ("from millpond import revalidate_tag", "", "revalidate_tag('a', 'max')", "revalidate_tag()"),
}


@pytest.mark.parametrize("shape", ["{0}  # here", "try:\n        {0}  # here\n    except:\n        pass"])
@pytest.mark.parametrize(("top", "parameter", "call", "why"), REQUEST_DATA.values(), ids=REQUEST_DATA)
async def test_request_data_ends_the_prerender_also_where_it_is_swallowed(
    project: Project, top: str, parameter: str, call: str, why: str, shape: str
) -> None:
    await assert_ends(project, f"{top}\nasync def GET({parameter}):\n    {shape.format(call)}\n    return 1\n", why)


async def test_whether_draft_mode_is_on_is_the_same_for_everybody(project: Project) -> None:
    await built_one(project, "from millpond import draft_mode\nasync def GET(): return draft_mode().is_enabled\n")
    async with project.started() as running:
        answer = await running.get("/")
        assert (cache_of(answer), answer.text) == ("HIT", "false")


async def test_a_declared_query_parameter_is_known_without_running(project: Project) -> None:
    record = await built_one(project, "runs = []\nasync def GET(q: str = ''): return q\n")
    assert (record.glyph, record.place) == ("λ", ("app/route.py", 2))
    assert record.why.startswith("declares ")


async def test_a_post_beside_it_leaves_a_get_static(project: Project) -> None:
    record = await built_one(project, "def GET(): return 1\ndef POST(): return 2\n")
    assert record.glyph == "○"
    async with project.started() as running:
        assert (await running.post("/")).text == "2"
        assert await running.cache("/") == "HIT"


async def test_what_a_handler_raises_fails_the_build(project: Project) -> None:
    (failure,) = await failures(project, "def GET():\n    raise LookupError('no such thing')\n")
    assert "app/route.py:2 in GET" in failure
    assert "LookupError: no such thing" in failure


async def test_what_only_the_first_pass_raises_fails_nothing(project: Project) -> None:
    await assert_static(
        project,
        "tries = []\ndef GET():\n    tries.append(1)\n    if len(tries) == 1:\n        raise OSError\n    return 1\n",
    )


async def test_what_is_raised_behind_the_end_point_fails_nothing(project: Project) -> None:
    await assert_ends(
        project, "import time\ndef GET():\n    time.time()  # here\n    raise OSError\n", "clock (time.time)"
    )


@pytest.mark.parametrize("raised", ["asyncio.CancelledError", "SystemExit(3)", "BaseException"])
@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_that_a_handler_raises_ends_a_verified_build(project: Project, kind: str, raised: str) -> None:
    (failure,) = await failures(project, f"import asyncio\n{kind} GET():\n    raise {raised}\n")
    assert "app/route.py:3 in GET" in failure


async def test_an_exit_in_a_task_of_a_handlers_own_ends_no_verified_build(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    await assert_static(
        project,
        """
import asyncio, sys
kept = []
async def leave(): sys.exit(3)
async def GET():
    kept.append(asyncio.create_task(leave()))
    await asyncio.sleep(0)
    return 1
""",
    )
    assert "a task or a callback of the application raised SystemExit" in caplog.text


NEVER = {
    "spins": "async def GET():\n    while not enough(): await asyncio.sleep(0)\n",
    "waits for a lock in a thread": "def GET():\n    while not enough(): lock.acquire(timeout=0.01)\n",
}


@pytest.mark.parametrize("handler", NEVER.values(), ids=NEVER)
async def test_a_handler_that_never_ends_fails_the_build_in_time(project: Project, handler: str) -> None:
    project.config["build"] = {"timeout": 0.2}
    (failure,) = await failures(
        project,
        f"""
import asyncio, threading, time
lock = threading.Lock()
lock.acquire()
began = time.monotonic()
def enough():  # so that the thread doesn't outlive the test
    return time.monotonic() > began + 0.6
{handler}""",
    )
    assert "app/route.py:8: no answer within 0.2 s" in failure
    assert "connection()" in failure


def with_parameters(*listed: str, body: str = "pass") -> str:
    return f"""
from millpond import cookies
def generate_static_params(): return [{{"id": id}} for id in {listed}]
async def GET(id):
    {body}
    return id
"""


async def test_a_listed_parameter_is_rendered_at_build_and_another_on_demand(project: Project) -> None:
    records = await built_routes(project, {"/[id]": with_parameters("listed")})
    assert (records["/[id]"].glyph, records["/[id]"].why) == ("●", ENDS_BY_ITSELF)
    async with project.started() as running:
        assert [await running.cache("/listed"), await running.cache("/other"), await running.cache("/other")] == [
            "HIT",
            "MISS",
            "HIT",
        ]


async def test_parameters_without_a_list_are_live_even_when_nothing_is_read(project: Project) -> None:
    records = await built_routes(project, {"/[id]": "async def GET(id): return id\n"})
    assert (records["/[id]"].glyph, records["/[id]"].why) == ("λ", "has parameters, and no generate_static_params")


async def test_one_listed_parameter_that_is_live_makes_the_others_live(project: Project) -> None:
    records = await built_routes(
        project,
        {"/[id]": with_parameters("a", "b", body="if id == 'b': cookies()")},
    )
    assert (records["/[id]"].glyph, records["/[id]"].why) == ("λ", "cookies()")
    async with project.started() as running:
        assert [await running.cache("/a"), await running.cache("/other")] == ["HIT", None]


async def test_a_list_of_nothing_is_warned_about_as_nothing_was_verified(project: Project) -> None:
    project.config["cache_components"] = True
    project.routes({"/[id]": "def generate_static_params(): return []\nasync def GET(id): return id\n"})
    built = await project.build()
    (record,) = built.manifest.routes
    assert (record.glyph, record.why, record.place) == (
        "●",
        "not verified, as it lists no path",
        ("app/[id]/route.py", 1),
    )
    (warning,) = built.warnings
    assert warning.startswith(
        "app/[id]/route.py:1: generate_static_params lists no path, so no GET of /[id] was verified"
    )


async def test_an_on_demand_answer_that_turns_out_to_read_a_request_is_live(project: Project) -> None:
    await built_routes(project, {"/[id]": with_parameters("a", body="if id == 'b': cookies()")})
    async with project.started() as running:
        answer = await running.get("/b")
        assert (answer.status_code, cache_of(answer), answer.text) == (200, None, '"b"')


async def test_constants_that_the_mode_replaces_are_all_named_at_once_with_remedies(project: Project) -> None:
    project.config["cache_components"] = True
    project.routes(
        {
            "/a": 'dynamic = "auto"\nrevalidate = 60\ndef GET(): return 1\n',
            "/b": 'def GET(): return 1\nfetch_cache = "auto"\ndynamic_params = False\n',
            "/fine": "max_duration = 5\ndef GET(): return 1\n",
        }
    )
    with pytest.raises(RouteModuleError) as raised:
        project.pond()
    lines = str(raised.value).splitlines()
    places = ["app/a/route.py:1: dynamic", "app/a/route.py:2: revalidate", "app/b/route.py:2: fetch_cache"]
    assert [line.partition(" can't")[0] for line in lines] == [*places, "app/b/route.py:3: dynamic_params"]
    assert [remedy in line for remedy, line in zip(("connection()", "cache_life()"), lines, strict=False)] == [True] * 2


async def test_a_cached_handler_is_refused_with_the_remedy(project: Project) -> None:
    project.config["cache_components"] = True
    project.routes({"/": "from millpond import cached\n@cached\nasync def GET(): return 1\n"})
    with pytest.raises(RouteModuleError, match=r"app/route\.py:\d: GET itself can't be @cached.*into a function"):
        project.pond()


async def test_a_draft_runs_past_all_caches(project: Project) -> None:
    project.write({"text.txt": "old"})
    await built_routes(
        project,
        {
            "/": READS_A_FILE.replace("{folder}", str(project.folder)),
            "/draft": "from millpond import draft_mode\nasync def GET(): draft_mode().enable()\n",
        },
    )
    async with project.started() as running:
        project.write({"text.txt": "new"})
        cookie = (await running.get("/draft")).headers["set-cookie"].split(";")[0]
        assert await running.body("/") == '"old"'
        assert await running.body("/", headers={"cookie": cookie}) == '"new"'
        assert await running.body("/") == '"old"'


READS_A_FILE = """
from pathlib import Path
from millpond import cache_life, cached
@cached
async def load():
    cache_life(revalidate=60, expire=3600)
    return Path("{folder}/text.txt").read_text()
async def GET(): return await load()
"""


async def test_a_static_answer_is_rendered_again_when_it_is_stale(project: Project) -> None:
    project.write({"text.txt": "old"})
    await built_one(project, READS_A_FILE.replace("{folder}", str(project.folder)))
    async with project.started() as running:
        project.write({"text.txt": "new"})
        assert [await running.cache("/"), await running.body("/")] == ["HIT", '"old"']
        project.clock.move(61)
        assert [await running.cache("/"), await running.body("/")] == ["STALE", '"old"']
        await running.settle()
        assert [await running.cache("/"), await running.body("/")] == ["HIT", '"new"']


async def test_a_slow_lifespan_and_its_threads_are_no_part_of_a_pass(project: Project) -> None:
    project.write(
        {
            "instrumentation.py": """
            import asyncio, time
            from contextlib import asynccontextmanager
            from starlette.concurrency import run_in_threadpool
            def register(app):
                @asynccontextmanager
                async def lifespan(_):
                    ticking = asyncio.create_task(tick())
                    yield {"at": await run_in_threadpool(time.time)}
                    ticking.cancel()
                app.router.lifespan_context = lifespan
            async def tick():
                while True:
                    await asyncio.sleep(0.001)
            """
        }
    )
    records = await built_routes(
        project,
        {
            "/static": "def GET(): return sum(range(100_000))\n",
            "/live": "import time\ndef GET(): return time.time()\n",
        },
    )
    assert [records["/live"].glyph, records["/static"].glyph] == ["λ", "○"]


async def test_explain_says_where_a_prerender_stopped_and_without_a_build_what_will_be_tried(project: Project) -> None:
    project.config["cache_components"] = True
    project.routes({"/": "import asyncio\nasync def GET():\n    await asyncio.sleep(1)\n"})
    pond = project.pond()
    before = await explain_path(pond, None, "/", project.clock())
    assert (before.mode, before.why) == ("static", ENDS_BY_ITSELF)
    await pond.build()
    after = await explain_path(pond, pond.manifest(), "/", project.clock())
    assert (after.mode, after.why, after.place) == ("live", "awaits asyncio.sleep", "app/route.py:3")
