"""With a shared store the same is told: it knows how often an entry was read, by whichever host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from planted_project import HOUR, Planted, planted_in, told

from engines import Engine, engine

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
__all__ = ["engine"]


async def test_paths_that_scanners_fill_and_a_tag_that_nothing_has(tmp_path: Path, engine: Engine) -> None:
    planted: Planted = planted_in(tmp_path / "project")
    planted.config = {"cache": {"store": engine.url}}
    planted.routes(
        {
            "/items/[id]": """\
                from millpond import cached, not_found

                revalidate = 86400


                @cached(tags=["items"])
                def item(id):
                    return id


                def GET(id: str):
                    if id.startswith("wp-"):
                        not_found()
                    return item(id)
                """
        }
    )
    async with planted.visited() as running:
        for number in range(25):
            await running.get(f"/items/wp-{number}")
        for _ in range(3):
            await running.get("/items/known")
    planted.clock.move(2 * HOUR)
    planted.note(kind="invalidation", tags=("item",), origin="cli", hard=True)
    found = told(await planted.advice())
    assert found == {("scanned-paths", planted.line("app/items/[id]/route.py", "def GET")), ("unused-tag", "")}
