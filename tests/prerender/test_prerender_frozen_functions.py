"""What a build says of cached functions that freeze what they read: theirs, and no route's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from frozen_sources import CACHED, ERROR, STATIC

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio


async def functions(project: Project, **parts: str) -> list[tuple[str, list[str], list[tuple[str, bool]]]]:
    project.routes({"/": CACHED.format(config=STATIC, **{"options": "", "call": "pass", "used": "load", **parts})})
    outcome = await project.build(**ERROR)
    assert outcome.failures == []
    assert [record.inputs for record in outcome.manifest.routes] == [[]]
    return [
        (function.name, function.routes, [(one.subject, one.refreshed) for one in function.inputs])
        for function in outcome.manifest.functions
    ]


async def test_a_cached_function_without_lifetime_and_tag_freezes_and_is_no_fault_of_the_route(
    project: Project,
) -> None:
    frozen = [("clock", False), ("env SHOP_NAME", False)]
    assert await functions(project) == [("load()", ["/"], frozen)]


@pytest.mark.parametrize(
    "parts",
    [
        {"options": "(revalidate=60)"},
        {"options": '(life="hours")'},
        {"options": '(tags=["a"])'},
        {"call": 'cache_tag("a")'},
    ],
)
async def test_a_cached_function_with_one_of_them_reads_again(project: Project, parts: dict[str, str]) -> None:
    assert await functions(project, **parts) == [("load()", ["/"], [("clock", True), ("env SHOP_NAME", False)])]


async def test_a_function_is_used_by_the_routes_that_use_it_by_way_of_others(project: Project) -> None:
    [(name, routes, _)] = [each for each in await functions(project, used="outer") if each[0] == "load()"]
    assert (name, routes) == ("load()", ["/"])


async def test_a_second_route_uses_a_function_that_the_first_has_filled(project: Project) -> None:
    project.write(
        {"lib/data.py": "import time\nfrom millpond import cached\n@cached\ndef load(): return time.time()\n"}
    )
    source = f"from lib.data import load\n{STATIC}\ndef GET(): return load()\n"
    project.routes({"/a": source, "/b": source})
    manifest = (await project.build(build={"concurrency": 1})).manifest
    assert [function.routes for function in manifest.functions] == [["/a", "/b"]]
