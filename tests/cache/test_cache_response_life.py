"""response_tags() and response_life(): what a GET, or a dependency of it, says about its own answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from millpond import response_life, response_tags
from millpond.errors import UsageError
from millpond.policy.tags import is_own

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

TIMES = "s-maxage={}, stale-while-revalidate={}".format


def saying(call: str, config: str = "revalidate = False", kind: str = "async def") -> str:
    return f"""
import math
from millpond import Request, cached, cookies, response_life, response_tags, revalidate_tag
{config}
runs = 0
{kind} GET():
    global runs
    runs += 1
    {call}
    return runs
def DELETE(tag: str): revalidate_tag(tag, expire=0)
"""


DEPENDENCIES = """
from typing import Annotated
from fastapi import Depends
from millpond import response_life, response_tags, revalidate_tag
dynamic = "force-static"
runs = 0
def inner():
    response_tags("inner")
    response_life(revalidate=300)
def session(inner: Annotated[None, Depends(inner)]):
    response_tags("rows")
    response_life(revalidate=90, expire=600)
    yield "session"
    response_tags("told on leaving")
def GET(session: Annotated[str, Depends(session)]):
    global runs
    runs += 1
    response_tags("posts", f"post:{runs}")
    response_life(revalidate=120)
    return runs
def DELETE(tag: str): revalidate_tag(tag, expire=0)
"""


async def header(running: Running, path: str = "/") -> str:
    return (await running.get(path)).headers["cache-control"]


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_tags_of_an_answer_invalidate_it(project: Project, kind: str) -> None:
    project.routes({"/": saying('response_tags("posts", "post:1"); response_tags("more")', kind=kind)})
    async with project.started() as running:
        for run, tag in enumerate(["posts", "post:1", "more", "other"], start=1):
            assert await running.body("/") == await running.body("/") == str(run)
            await running.client.delete("/", params={"tag": tag})
        assert await running.body("/") == "4"


async def test_dependencies_say_it_too_and_the_lowest_ages_win(project: Project) -> None:
    project.routes({"/": DEPENDENCIES})
    async with project.started() as running:
        assert await header(running) == TIMES(90, 510)
        entry = running.entry("/")
        assert entry is not None
        assert [tag for tag in entry.tags if not is_own(tag)] == ["inner", "rows", "posts", "post:1", "told on leaving"]
        for run, tag in enumerate(["inner", "rows"], start=1):
            assert await running.body("/") == str(run)
            await running.client.delete("/", params={"tag": tag})
        assert await running.body("/") == "3"


async def test_it_holds_for_answers_of_a_build(project: Project) -> None:
    project.routes({"/": saying('response_tags("posts"); response_life(revalidate=60)')})
    async with project.serving() as running:
        assert await running.cache("/") == "HIT"
        project.clock.move(61)
        assert await running.cache("/") == "STALE"
        await running.settle()
        assert await running.cache("/") == "HIT"
        await running.client.delete("/", params={"tag": "posts"})
        assert await running.cache("/") == "MISS"


@pytest.mark.parametrize(
    ("call", "config", "expected"),
    [
        ("response_life(revalidate=60)", "revalidate = False", TIMES(60, 31_535_940)),
        ("response_life(revalidate=60)", "revalidate = 30", TIMES(30, 31_535_970)),
        ("response_life(revalidate=math.inf)", "revalidate = 30", TIMES(30, 31_535_970)),
        ("response_life(expire=600)", "revalidate = 3600", TIMES(600, 0)),
        ("response_life(expire=600)", "revalidate = 30", TIMES(30, 570)),
        ('response_life("hours")', "revalidate = False", TIMES(3_600, 82_800)),
        ('response_life("hours"); response_life(revalidate=60)', "revalidate = False", TIMES(60, 86_340)),
        ("response_life(revalidate=math.inf, expire=math.inf)", "revalidate = False", "s-maxage=31536000"),
    ],
)
async def test_ages_lower_the_lifetime_of_the_route(project: Project, call: str, config: str, expected: str) -> None:
    project.routes({"/": saying(call, config)})
    async with project.started() as running:
        said = await header(running)
        assert said.removesuffix(", stale-while-revalidate=0") == expected.removesuffix(", stale-while-revalidate=0")


@pytest.mark.parametrize("config", ["revalidate = 60", 'dynamic = "force-static"'])
async def test_a_life_of_zero_makes_the_route_live_and_why_says_so(project: Project, config: str) -> None:
    project.routes({"/": saying("response_life(revalidate=0)", config)})
    built = await project.built()
    assert (built["/"].why, built["/"].place) == ("response_life(revalidate=0)", ("app/route.py", 9))
    async with project.started() as running:
        assert await running.body("/") != await running.body("/")


async def test_with_cache_components_a_short_life_is_not_prerendered(project: Project) -> None:
    project.routes({"/": saying("response_life(expire=299)", ""), "/long": saying('response_life("hours")', "")})
    built = await project.built(cache_components=True)
    assert built["/"].why == "response_life() is short-lived"
    async with project.started(cache_components=True) as running:
        assert await running.cache("/long") == "HIT"


async def test_a_404_that_a_handler_raises_keeps_the_tags_told_before(project: Project) -> None:
    source = saying('response_tags("posts")\n    if runs == 1: not_found()').replace(
        "import math", "from millpond import not_found"
    )
    project.routes({"/": source})
    async with project.started() as running:
        assert (await running.get("/")).status_code == 404
        await running.client.delete("/", params={"tag": "posts"})
        assert await running.body("/") == "2"


@pytest.mark.parametrize("config", ['dynamic = "force-dynamic"', "revalidate = 0"])
async def test_in_a_live_answer_it_does_nothing(project: Project, config: str) -> None:
    project.routes({"/": saying('response_tags("posts"); response_life(revalidate=60)', config)})
    async with project.started() as running:
        answers = [await running.get("/") for _ in range(2)]
        assert [answer.text for answer in answers] == ["1", "2"]
        assert all("s-maxage" not in answer.headers.get("cache-control", "") for answer in answers)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("response_life()", "takes the name of a lifetime, or ages in seconds"),
        ('response_life("hours", expire=1)', "takes the name of a lifetime, or ages in seconds"),
        ('response_life("hour")', 'did you mean "hours"?'),
        ("response_life(revalidate=-1)", "give seconds, 0 or more"),
        ("response_life(revalidate=True)", "give seconds, 0 or more"),
        ("response_life(revalidate=60, expire=30)", "raise expire"),
    ],
)
async def test_invalid_ages_are_refused_with_the_place(
    project: Project, caplog: pytest.LogCaptureFixture, call: str, message: str
) -> None:
    project.routes({"/": saying(call, 'dynamic = "force-dynamic"')})
    async with project.started() as running:
        assert (await running.get("/")).status_code == 500
    assert "app/route.py:9: response_life()" in caplog.text
    assert message in caplog.text


async def test_invalid_tags_are_left_out_with_a_warning(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.routes({"/": saying('response_tags("good", 7, b"x")')})
    async with project.started() as running:
        assert await running.body("/") == "1"
        entry = running.entry("/")
        assert entry is not None
        assert [tag for tag in entry.tags if not is_own(tag)] == ["good"]
    assert caplog.text.count("app/route.py:9: response_tags(): ") == 2


@pytest.mark.parametrize(
    ("call", "instead"), [('response_tags("t")', "cache_tag()"), ('response_life("hours")', "cache_life()")]
)
async def test_in_a_cached_function_the_error_names_what_to_call(
    project: Project, caplog: pytest.LogCaptureFixture, call: str, instead: str
) -> None:
    source = saying("value()").replace("runs = 0", f"runs = 0\n@cached\ndef value():\n    {call}")
    project.routes({"/": source})
    async with project.started() as running:
        assert (await running.get("/")).status_code == 500
    assert f"call {instead} for the result" in caplog.text


async def test_after_the_answer_it_comes_too_late(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    source = saying('after(response_tags, "posts")').replace("import math", "from millpond import after")
    project.routes({"/": source})
    async with project.started() as running:
        assert await running.body("/") == "1"
        await running.settle()
    assert "response_tags() comes too late" in caplog.text


@pytest.mark.parametrize("call", [lambda: response_tags("t"), lambda: response_life(revalidate=math.inf)])
def test_without_any_handler_they_are_refused(call: Any) -> None:
    with pytest.raises(UsageError, match="works while a route handler runs"):
        call()
