"""cache_life() and cache_tag(): R5.33 to R5.36, K.15, and what nested functions bring."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import pytest

from millpond import cache_life, cache_tag, cached
from millpond.errors import UsageError
from millpond.policy.tags import is_own

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

READING = """
import math
from millpond import cache_life, cache_tag, cached, fetch, revalidate_tag
revalidate = 1_000_000
{functions}
async def GET(): return await value()
def DELETE(tag: str): revalidate_tag(tag)
"""


def functions(*bodies: str, options: tuple[str, ...] = ()) -> str:
    """`value`, which calls `inner`, which calls … ; each with a body of its own."""
    names = ["value", "inner", "core"][: len(bodies)]
    source = []
    for n, (name, body) in enumerate(zip(names, bodies, strict=True)):
        option = options[n] if n < len(options) else ""
        below = f"await {names[n + 1]}()" if n + 1 < len(names) else "1"
        source.append(f"@cached{option}\nasync def {name}():\n    {body or 'pass'}\n    return {below}")
    return READING.format(functions="\n".join(reversed(source)))


async def entry_of(running: Running) -> tuple[float | None, float | None]:
    """The lifetime that the answer got from what it used."""
    await running.get("/")
    entry = running.entry("/")
    assert entry is not None
    return entry.revalidate, entry.expire


async def lifetime(project: Project, source: str, **config: Any) -> tuple[float | None, float | None]:
    project.routes({"/": source})
    async with project.started(**config) as running:
        return await entry_of(running)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ('cache_life("hours")', (3_600, 86_400)),
        ('cache_life("seconds")', (1, 60)),
        ("cache_life(revalidate=10, expire=20)", (10, 20)),
        ("cache_life(revalidate=20, expire=20)", (20, 20)),
        ('cache_life("hours"); cache_life(revalidate=10)', (10, 86_400)),
        ('cache_life(revalidate=10); cache_life("hours")', (10, 86_400)),
        ("cache_life(expire=60)", (60, 60)),
        ("cache_life(revalidate=math.inf)", (1_000_000, 31_536_000)),
        ('cache_life("mine")', (7, 700)),
        ('cache_life("ours")', (900, 1_000)),
    ],
)
async def test_the_lowest_of_what_was_chosen_is_the_lifetime(
    project: Project, call: str, expected: tuple[float, float]
) -> None:
    profiles = {"mine": {"revalidate": 7, "expire": 700}, "ours": {"expire": 1_000}}
    assert await lifetime(project, functions(call), cache_life=profiles) == expected


async def test_an_option_and_a_call_are_two_choices(project: Project) -> None:
    assert await lifetime(project, functions("cache_life(revalidate=10)", options=('(life="hours")',))) == (10, 86_400)
    assert (await lifetime(project, functions('cache_life("hours")', options=("(revalidate=20)",))))[0] == 20


async def test_a_profile_of_the_config_replaces_a_built_in_one(project: Project) -> None:
    profiles = {"hours": {"revalidate": 5, "expire": 50}}
    assert await lifetime(project, functions('cache_life("hours")'), cache_life=profiles) == (5, 50)


async def test_without_a_choice_the_inner_lifetime_counts(project: Project) -> None:
    assert await lifetime(project, functions("", "", "cache_life(revalidate=10, expire=20)")) == (10, 20)


async def test_an_explicit_outer_lifetime_overrides_a_shorter_inner_one(project: Project) -> None:
    source = functions("cache_life(revalidate=100, expire=200)", "cache_life(revalidate=10, expire=20)")
    assert await lifetime(project, source) == (100, 200)


async def test_tags_of_inner_functions_reach_outward(project: Project) -> None:
    project.routes({"/": functions('cache_tag("a")', 'cache_tag("b", "c")', 'cache_tag("d")')})
    async with project.started() as running:
        await running.get("/")
        entry = running.entry("/")
        assert entry is not None
        assert set(entry.tags) >= {"a", "b", "c", "d"}
        for tag in "abcd":
            assert await running.cache("/") == "HIT"
            await running.client.delete(f"/?tag={tag}")
            assert await running.cache("/") == "MISS"


async def test_tags_of_a_fetch_inside_reach_outward(project: Project) -> None:
    source = functions('await fetch("/other", tags=["t"], revalidate=10)')
    project.routes({"/": source, "/other": "def GET(): return 1"})
    async with project.started() as running:
        await running.get("/")
        entry = running.entry("/")
        assert entry is not None
        assert "t" in entry.tags
        assert entry.revalidate == 1_000_000  # in the classic model the function's own entry is the cache (R5.24)


async def test_a_tag_that_is_none_is_left_out_with_a_warning_that_names_the_function(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes({"/": functions(f'cache_tag("t", "{"x" * 300}")')})
    async with project.started() as running:
        await running.get("/")
        entry = running.entry("/")
    assert entry is not None
    assert [tag for tag in entry.tags if not is_own(tag)] == ["t"]
    (warning,) = (record.getMessage() for record in caplog.records if "cache_tag" in record.getMessage())
    assert warning.startswith("cache_tag() in ")
    assert "value()" in warning


# Refused

CALLS: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((), {}, "takes the name of a lifetime, or single ages"),
    (("hours",), {"revalidate": 1}, "takes the name of a lifetime, or single ages"),
    (("hour",), {}, 'there is no lifetime "hour"; did you mean "hours"'),
    (("hours ",), {}, 'did you mean "hours"'),
    ((), {"revalidate": 10, "expire": 5}, "revalidate = 10 is more than expire = 5"),
    ((), {"revalidate": False}, "revalidate = False is not a valid age"),
    ((), {"expire": "5"}, "expire = '5' is not a valid age"),
    ((), {"stale": math.nan}, "stale = nan is not a valid age"),
    ((), {"revalidate": -5}, "revalidate = -5 is not a valid age"),
]


@pytest.mark.parametrize(("args", "ages", "message"), CALLS)
async def test_ages_that_make_no_sense_are_refused(
    project: Project, caplog: pytest.LogCaptureFixture, args: tuple[Any, ...], ages: dict[str, Any], message: str
) -> None:
    project.routes({"/": functions("cache_life(*ARGS, **AGES)")})
    async with project.started() as running:
        running.module("/").ARGS, running.module("/").AGES = args, ages
        assert (await running.get("/")).status_code == 500
    assert message in caplog.text


@pytest.mark.parametrize("call", ['cache_life("hours")', 'cache_tag("t")'])
async def test_outside_of_a_cached_function_both_are_refused(
    project: Project, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    source = f"from millpond import cache_life, cache_tag\ndef GET():\n    {call}\n"
    project.routes({"/": source})
    async with project.started() as running:
        assert (await running.get("/")).status_code == 500
    assert f"app/route.py:3: {call.partition('(')[0]}() applies to the result of a cached function" in caplog.text


def test_without_any_handler_both_are_refused() -> None:
    with pytest.raises(UsageError, match="none is running here"):
        cache_life("hours")
    with pytest.raises(UsageError, match="none is running here"):
        cache_tag("t")


def test_without_an_application_a_function_that_speaks_of_its_result_runs() -> None:
    @cached
    def report() -> int:
        cache_tag("reports")
        cache_life("a lifetime of the project's")
        return 1

    @cached
    async def later() -> int:
        cache_life("hours")
        return report() + 1

    assert (report(), asyncio.run(later())) == (1, 2)
    with pytest.raises(UsageError, match="none is running here"):
        cache_tag("x")
