"""io() and ensure_static(): what keeps a GET out of the prerender, and what keeps it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from components_project import assert_ends, assert_static, failures

from millpond import UsageError, ensure_static, io

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

COMPONENTS: dict[str, Any] = {"cache_components": True}
CLASSIC: dict[str, Any] = {}
MODELS = pytest.mark.parametrize("config", [COMPONENTS, CLASSIC], ids=["cache components", "classic"])


# io()


@pytest.mark.parametrize("call", ["await io()", "io()"])
async def test_what_follows_io_is_done_for_each_request(project: Project, call: str) -> None:
    source = f"from millpond import io\nimport time\nasync def GET():\n    {call}  # here\n    return time.time()\n"
    await assert_ends(project, source, "io()")
    async with project.started() as running:
        answers = [await running.get("/") for _ in range(2)]
        assert len({answer.text for answer in answers}) == 2
        assert "x-nextjs-cache" not in answers[0].headers


async def test_io_before_which_nothing_was_done_ends_sync_handlers_too(project: Project) -> None:
    await assert_ends(project, "from millpond import io\ndef GET():\n    io()  # here\n    return 1\n", "io()")


async def test_in_a_cached_function_io_does_nothing(project: Project) -> None:
    source = """
    from millpond import cached, io

    @cached
    async def computed():
        await io()
        return 1

    async def GET():
        return await computed()
    """
    await assert_static(project, source)


async def test_without_cache_components_io_does_nothing(project: Project) -> None:
    project.routes({"/": "from millpond import io\nrevalidate = 60\nasync def GET():\n    await io()\n    return 1\n"})
    assert (await project.built())["/"].static


async def test_io_works_where_no_request_is(project: Project) -> None:
    await io()
    source = """
    from millpond import after, io

    async def later():
        await io()

    async def POST():
        await io()
        after(later)
        return 1
    """
    project.routes({"/": source})
    async with project.started(**COMPONENTS) as running:
        assert (await running.post("/")).json() == 1
        await running.settle()


async def test_an_on_demand_path_that_comes_to_io_is_answered_live(project: Project) -> None:
    source = """
    from millpond import io

    def generate_static_params():
        return [{"id": "1"}]

    async def GET(id: str):
        if id != "1":
            await io()
        return id
    """
    project.routes({"/[id]": source})
    async with project.serving(**COMPONENTS) as running:
        assert (await running.get("/1")).headers["x-nextjs-cache"] == "HIT"
        assert "detail=turned-dynamic" in (await running.get("/2")).headers["cache-status"]


# ensure_static()


@MODELS
async def test_a_static_get_keeps_its_promise(project: Project, config: dict[str, Any]) -> None:
    source = "from millpond import ensure_static\ndef GET():\n    ensure_static()\n    return 1\n"
    project.routes({"/": source if config else f"revalidate = 60\n{source}"})
    assert (await project.built(**config))["/"].static
    async with project.started(**config) as running:
        assert (await running.get("/")).headers["x-nextjs-cache"] == "HIT"


READS = {
    "a read": "headers()['accept']",
    "io": "connection()",
    "in a helper": "helper()",
}


@MODELS
@pytest.mark.parametrize("read", READS.values(), ids=list(READS))
@pytest.mark.parametrize("first", [True, False], ids=["promised first", "read first"])
async def test_a_get_that_reads_the_request_fails_the_build(
    project: Project, config: dict[str, Any], read: str, first: bool
) -> None:
    lines = ["ensure_static()", read] if first else [read, "ensure_static()"]
    source = f"""
    from millpond import connection, ensure_static, headers

    {"" if config else "revalidate = 60"}

    def helper():
        connection()

    def GET():
        {lines[0]}
        {lines[1]}
        return 1
    """
    project.routes({"/": source})
    (failure,) = await project.failures(**config)
    place = "app/route.py:10: " if first else "app/route.py:9: "  # the call, or the function that has it
    assert place in failure
    assert "ensure_static() promises that this GET is static, but it is live: " in failure
    assert "app/route.py:" in failure.partition("it is live: ")[2]


async def test_a_wait_breaks_the_promise_with_cache_components(project: Project) -> None:
    source = """
    import asyncio
    from millpond import ensure_static

    async def GET():
        ensure_static()
        await asyncio.sleep(0.01)
        return 1
    """
    (failure,) = await failures(project, source)
    assert "app/route.py:6: ensure_static() promises" in failure
    assert "awaits asyncio.sleep · app/route.py:7" in failure


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ("dynamic = 'force-dynamic'", 'dynamic = "force-dynamic" · app/route.py:4'),
        ("revalidate = 0", "revalidate = 0 · app/route.py:4"),
        ("", "GET is live by default (compat 16)"),
    ],
)
async def test_a_get_that_never_runs_at_build_breaks_it_too(project: Project, option: str, why: str) -> None:
    source = f"""
    import millpond

    {option}

    async def GET():
        millpond.ensure_static()
        return 1
    """
    project.routes({"/": source})
    (failure,) = await project.failures()
    assert f"app/route.py:6: ensure_static() promises that this GET is static, but it is live: {why}" in failure


async def test_a_declared_header_breaks_it(project: Project) -> None:
    source = """
    from typing import Annotated
    from fastapi import Header
    from millpond import ensure_static

    def GET(agent: Annotated[str, Header()]):
        ensure_static()
        return agent
    """
    (failure,) = await failures(project, source)
    assert "but it is live: declares" in failure


@MODELS
async def test_one_path_of_many_breaks_it(project: Project, config: dict[str, Any]) -> None:
    source = """
    from millpond import connection, ensure_static

    def generate_static_params():
        return [{"id": "1"}, {"id": "2"}]

    def GET(id: str):
        ensure_static()
        if id == "2":
            connection()
        return id
    """
    project.routes({"/[id]": source})
    (failure,) = await project.failures(**config)
    assert "/2" in failure


@MODELS
async def test_other_methods_drafts_and_development_run_on(project: Project, config: dict[str, Any]) -> None:
    source = """
    from millpond import ensure_static

    def GET():
        ensure_static()
        return 1

    def POST():
        ensure_static()
        return 2
    """
    project.routes({"/": source if config else f"revalidate = 60\n{source}".replace("\n    ", "\n")})
    async with project.started(development=True, **config) as running:
        assert (await running.get("/")).json() == 1
        assert (await running.post("/")).json() == 2


def test_it_needs_a_handler() -> None:
    with pytest.raises(UsageError, match=r"ensure_static\(\)"):
        ensure_static()
