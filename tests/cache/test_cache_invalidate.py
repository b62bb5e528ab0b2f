"""revalidate_tag, update_tag: every form, from everywhere (R6.5 to R6.24; D15, D26, D27, D31)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from upstreams import upstream

from millpond import revalidate_path, revalidate_tag, update_tag
from millpond.cache.invalidation_order import Invalidation
from millpond.errors import UsageError
from ponds import Project, cache_of

if TYPE_CHECKING:
    from pathlib import Path

    from ponds import Running

pytestmark = pytest.mark.anyio

PAGE = """
from millpond import cached
revalidate = 1_000_000
runs = 0
@cached(tags=["t"])
def data(): return 1
def GET():
    global runs
    data()
    runs += 1
    return runs
"""


async def seen(running: Running, path: str = "/") -> tuple[object, str | None]:
    answer = await running.get(path)
    await running.settle()
    return answer.json(), cache_of(answer)


# Forms (C.3)

HARD: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("t",), {}),
    (("t", {"expire": 0}), {}),
    (("t",), {"expire": 0}),
]
FOR_EVER: list[tuple[Any, ...]] = [("t", "default"), ("t", {"expire": float("inf")})]
WINDOWS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("t", {"expire": 5}), {}),
    (("t",), {"expire": 5}),
    (("t", "five"), {}),
]


@pytest.mark.parametrize(("args", "options"), HARD)
@pytest.mark.parametrize("compat", ["14", "15", "16"])
async def test_a_hard_invalidation_makes_the_next_reader_wait(
    project: Project, compat: str, args: tuple[Any, ...], options: dict[str, Any]
) -> None:
    project.routes({"/": PAGE})
    async with project.started(compat=compat) as running:
        await seen(running)
        revalidate_tag(*args, **options)
        assert [await seen(running) for _ in range(2)] == [(2, "MISS"), (2, "HIT")]


async def test_update_tag_is_a_hard_one(project: Project) -> None:
    project.routes({"/": PAGE})
    async with project.started() as running:
        await seen(running)
        update_tag("t")
        assert await seen(running) == (2, "MISS")


@pytest.mark.parametrize("args", [("t", "max"), *FOR_EVER])
async def test_a_soft_invalidation_serves_the_old_answer_once_more(project: Project, args: tuple[Any, ...]) -> None:
    project.routes({"/": PAGE})
    async with project.started() as running:
        await seen(running)
        revalidate_tag(*args)
        project.clock.move(900_000)
        assert [await seen(running) for _ in range(2)] == [(1, "STALE"), (2, "HIT")]


@pytest.mark.parametrize(("age", "ttl"), [(5, -1), (59, -1), (70, -10)])
async def test_a_stale_answer_shows_no_time_that_is_left(project: Project, age: float, ttl: int) -> None:
    project.routes({"/": PAGE.replace("1_000_000", "60")})
    async with project.started() as running:
        await seen(running)
        project.clock.move(age)
        revalidate_tag("t", "max")
        assert (await running.get("/")).headers["cache-status"] == f"Millpond; hit; ttl={ttl}; detail=tag"


async def test_an_invalidation_ends_the_back_off_in_the_headers_too(project: Project) -> None:
    failing = PAGE.replace("1_000_000", "60").replace("    data()\n", "    data()\n    assert runs != 1, 'broken'\n")
    project.routes({"/": failing})
    async with project.started() as running:
        await seen(running)
        project.clock.move(61)
        await seen(running)
        backing_off = (await running.get("/")).headers
        assert backing_off["cache-status"] == "Millpond; hit; ttl=30; detail=refresh-failed"
        assert backing_off["cache-control"].startswith("s-maxage=30,")
        revalidate_tag("t", "max")
        stale = (await running.get("/")).headers
        assert stale["cache-status"] == "Millpond; hit; ttl=-1; detail=tag"
        assert stale["cache-control"].startswith("s-maxage=60,")


@pytest.mark.parametrize(("args", "options"), WINDOWS)
@pytest.mark.parametrize(("second", "first"), [(3, (1, "STALE")), (8, (2, "MISS"))])
async def test_a_window_serves_stale_until_it_ends(
    project: Project, args: tuple[Any, ...], options: dict[str, Any], second: float, first: tuple[object, str]
) -> None:
    project.routes({"/": PAGE})
    async with project.started(cache_life={"five": {"expire": 5}}) as running:
        await seen(running)
        revalidate_tag(*args, **options)
        project.clock.move(second)
        assert [await seen(running) for _ in range(2)] == [first, (2, "HIT")]


async def test_what_was_rendered_inside_a_window_stays_when_it_ends(project: Project) -> None:
    project.routes({"/": PAGE})
    async with project.started() as running:
        await seen(running)
        revalidate_tag("t", {"expire": 5})
        await seen(running)
        project.clock.move(100)
        assert await seen(running) == (2, "HIT")  # D27


async def test_a_soft_invalidation_after_a_hard_one_revives_nothing(project: Project) -> None:
    project.routes({"/": PAGE})
    async with project.started() as running:
        await seen(running)
        revalidate_tag("t")
        revalidate_tag("t", "max")
        assert await seen(running) == (2, "MISS")


# What it returns, and refuses


async def test_it_reports_how_many_tags_and_which_generation(project: Project) -> None:
    async with project.started() as running:
        before = running.pond.store.generation()
        assert revalidate_tag("t") == Invalidation(1, before + 1)
        assert update_tag("u") == Invalidation(1, before + 2)
        assert revalidate_path("/a") == Invalidation(1, before + 3)
        assert running.pond.store.generation() == before + 3


@pytest.mark.parametrize("tag", ["x" * 257, "\0route:/", 5, ["a", "b"], None])
async def test_what_can_be_no_tag_does_nothing_and_warns(
    project: Project, caplog: pytest.LogCaptureFixture, tag: Any
) -> None:
    async with project.started() as running:
        before = running.pond.store.generation()
        assert revalidate_tag(tag) == Invalidation(0, before)
        assert update_tag(tag) == Invalidation(0, before)
    assert "revalidate_tag(): " in caplog.text
    assert "left out" in caplog.text


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        (("t", "maximum"), {}, 'there is no lifetime "maximum"; did you mean "max"'),
        (("t", "nothing like it"), {}, "there are default, seconds"),
        (("t", "max"), {"expire": 5}, "give a profile or expire, not both"),
        (("t",), {"expire": -1}, "expire = -1 is not a valid age"),
        (("t",), {"expire": "5"}, "expire = '5' is not a valid age"),
        (("t",), {"expire": float("nan")}, "is not a valid age"),
        (("t", {"expire": True}), {}, "is not a valid age"),
        (("t", {"expires": 5}), {}, "the profile is {'expires': 5}; give a name"),
        (("t", {"expire": None}), {}, "the profile is {'expire': None}; give a name"),
        (("t", 5), {}, "the profile is 5; give a name"),
    ],
)
async def test_a_bad_profile_is_an_error_at_the_call_and_invalidates_nothing(
    project: Project, args: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    async with project.started() as running:
        before = running.pond.store.generation()
        with pytest.raises(UsageError, match=message):
            revalidate_tag(*args, **options)
        assert running.pond.store.generation() == before


@pytest.mark.parametrize("call", [lambda: revalidate_tag("t"), lambda: update_tag("t"), lambda: revalidate_path("/")])
def test_a_script_without_an_application_is_told_what_to_use(call: Any) -> None:
    with pytest.raises(UsageError, match=r"no application runs in this process.*`millpond revalidate`"):
        call()


async def test_with_two_applications_the_handler_says_which(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    source = PAGE + "\nfrom millpond import revalidate_tag\ndef DELETE(): revalidate_tag('t')\n"
    project.routes({"/": source})
    other = Project(folder)
    other.routes({"/": source})
    async with project.started() as one, other.started() as two:
        await seen(one), await seen(two)
        with pytest.raises(UsageError, match="2 applications run in this process"):
            revalidate_tag("t")
        await one.client.delete("/")
        assert (await seen(one))[1] == "MISS"
        assert (await seen(two))[1] == "HIT"


# From everywhere

FROM = """
import asyncio, threading
from fastapi import BackgroundTasks
from millpond import StreamingResponse, after, not_found, redirect, revalidate_tag, update_tag
dynamic = "force-dynamic"
{source}
"""
PLACES = {
    "an async handler": "async def POST(): revalidate_tag('t')",
    "a sync handler": "def POST(): revalidate_tag('t')",
    "a GET": "def GET(): revalidate_tag('t')",
    "a handler that raises": """
def POST():
    revalidate_tag('t')
    raise ValueError
""",
    "a handler that redirects": """
def POST():
    revalidate_tag('t')
    redirect('/')
""",
    "a handler that finds nothing": """
def POST():
    revalidate_tag('t')
    not_found()
""",
    "a streamed body": """
def POST():
    def body():
        yield 'a'
        revalidate_tag('t')
    return StreamingResponse(body())
""",
    "an async streamed body": """
async def POST():
    async def body():
        yield 'a'
        update_tag('t')
    return StreamingResponse(body())
""",
    "an after callback": "def POST(): after(revalidate_tag, 't')",
    "an async after callback": """
async def POST():
    async def later(): update_tag('t')
    after(later)
""",
    "a background task": "def POST(tasks: BackgroundTasks): tasks.add_task(revalidate_tag, 't')",
    "a thread": """
def POST():
    thread = threading.Thread(target=revalidate_tag, args=('t',))
    thread.start()
    thread.join()
""",
    "an executor": "async def POST(): await asyncio.to_thread(revalidate_tag, 't')",
    "a task": """
async def POST():
    async def later(): revalidate_tag('t')
    await asyncio.create_task(later())
""",
}


@pytest.mark.parametrize("source", PLACES.values(), ids=PLACES)
async def test_it_has_taken_effect_when_the_answer_is_there(project: Project, source: str) -> None:
    project.routes({"/": PAGE, "/from": FROM.format(source=source)})
    async with project.started() as running:
        await seen(running)
        await running.client.request("GET" if "GET" in source else "POST", "/from")
        await running.settle()
        assert await seen(running) == (2, "MISS")


async def test_a_loop_and_a_thread_outside_of_any_request_may_invalidate(project: Project) -> None:
    project.routes({"/": PAGE})
    async with project.started() as running:
        await seen(running)
        await asyncio.get_running_loop().run_in_executor(None, revalidate_tag, "t")
        assert await seen(running) == (2, "MISS")


@pytest.mark.parametrize("call", ["revalidate_tag('t')", "update_tag('t')", "revalidate_path('/')"])
async def test_an_answer_for_everybody_can_not_invalidate(project: Project, call: str) -> None:
    source = (
        f"from millpond import revalidate_path, revalidate_tag, update_tag\nrevalidate = 60\ndef GET():\n    {call}\n"
    )
    project.routes({"/": source})
    record = (await project.built())["/"]
    assert (record.glyph, record.why, record.place) == ("λ", call.partition("(")[0] + "()", ("app/route.py", 4))


async def test_the_after_callback_of_a_shared_answer_may_invalidate(project: Project) -> None:
    project.routes(
        {
            "/": PAGE,
            "/shared": """
            from millpond import after, revalidate_tag
            revalidate = 60
            def GET(): after(revalidate_tag, "t")
            """,
        }
    )
    async with project.started() as running:
        await seen(running)
        await seen(running, "/shared")
        assert await seen(running) == (2, "MISS")


# A request reads its own writes (R6.19, D26)

WRITER = """
from millpond import cached, fetch, revalidate_path, revalidate_tag, update_tag
dynamic = "force-dynamic"
runs = 0
@cached(tags=["t"])
def data():
    global runs
    runs += 1
    return runs
async def GET():
    return [data(), (await fetch("URL", cache="force-cache", tags=["t"])).text]
async def POST():
    before = await GET()
    {call}
    return [before, await GET(), await GET()]
"""


@pytest.mark.parametrize(
    "call", ["revalidate_tag('t')", "revalidate_tag('t', 'max')", "update_tag('t')", "revalidate_path('/')"]
)
async def test_a_request_reads_fresh_after_its_own_invalidation_and_only_once(project: Project, call: str) -> None:
    async with upstream() as source:
        project.routes({"/": WRITER.replace("URL", source.url).format(call=call)})
        async with project.started() as running:
            assert (await running.post("/")).json() == [[1, "/ 1"], [2, "/ 2"], [2, "/ 2"]]
            assert (await running.get("/")).json() == [2, "/ 2"]


async def test_with_max_others_still_read_stale(project: Project) -> None:
    async with upstream() as source:
        project.routes({"/": WRITER.replace("URL", source.url).format(call="revalidate_tag('t', 'max')")})
        async with project.started() as running:
            await running.get("/")
            revalidate_tag("t", "max")
            assert (await running.get("/")).json() == [1, "/ 1"]
            await running.settle()
            assert (await running.get("/")).json() == [2, "/ 2"]
