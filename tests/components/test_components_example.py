"""The example of Cache Components, built and served as its README says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ponds import Project, cache_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

EXAMPLE = Path(__file__).parents[2] / "examples" / "components"
README = (EXAMPLE / "README.md").read_text("utf-8")
COMMAND = Path(sys.executable).with_name("millpond")
_CONSOLE = re.compile(r"^```console\n\$ millpond (.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def rivers(tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A copy of the example, with a database of its own."""
    monkeypatch.setenv("RIVERS_DATABASE", str(tmp_path / "rivers.db"))
    ignored = shutil.ignore_patterns("*.db", ".millpond", "__pycache__")
    shutil.copytree(EXAMPLE, project.folder, ignore=ignored, dirs_exist_ok=True)
    project.config.update(cache_components=True, cache_life={"catalog": {"revalidate": 86_400, "expire": 604_800}})
    yield project
    shutil.rmtree(project.folder)


def run(project: Project, arguments: str) -> str:
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}
    done = subprocess.run(
        [COMMAND, *arguments.split()],
        cwd=project.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_shows_what_the_commands_print(rivers: Project) -> None:
    shown = _CONSOLE.findall(README)
    assert [arguments for arguments, _ in shown] == ["build", "explain /api/longest"]
    for arguments, output in shown:
        printed = [line.rstrip() for line in run(rivers, arguments).splitlines()]
        shown_lines = [line for line in output.splitlines() if line != "…"]  # where lines are left out
        assert [line for line in shown_lines if line not in printed] == []


async def test_the_readme_explains_each_row_of_the_table(rivers: Project) -> None:
    records = await rivers.built()
    assert len(records) > 10
    explained = re.findall(r"^\| `(/\S*)` \|", README, re.MULTILINE)
    assert explained == sorted(records)
    shown = {pattern: glyph for glyph, pattern in re.findall(r"^[┌├└] ([○●λ]) (\S+)", README, re.MULTILINE)}
    assert shown == {pattern: record.glyph for pattern, record in records.items()}


async def test_a_change_reaches_everything_that_showed_it(rivers: Project) -> None:
    async with rivers.serving() as running:
        assert await running.cache("/api/rivers/danube") == "HIT"
        assert [await running.cache("/api/rivers/po") for _ in range(2)] == ["MISS", "HIT"]
        assert await running.cache("/api/summary") == "HIT"
        put = await running.client.put("/api/rivers/po", json={"km": 653})
        assert put.json() == {"slug": "po", "km": 653}
        answer = await running.get("/api/rivers/po")
        assert (cache_of(answer), answer.json()["km"]) == ("MISS", 653)
        summary = await running.get("/api/summary")
        assert (cache_of(summary), summary.json()["kilometres_by_mouth"]["Italy"]) == ("MISS", 653)
        assert (await running.client.put("/api/rivers/styx", json={"km": 1})).status_code == 404


async def test_levels_are_live_and_one_query_a_second(rivers: Project) -> None:
    async with rivers.serving() as running:
        assert (await running.get("/api/levels")).json() == []
        await running.post("/api/rivers/po/levels", json={"centimetres": 112})
        assert (await running.get("/api/levels")).json() == []
        rivers.clock.move(61)
        (level,) = (await running.get("/api/levels")).json()
        assert (level["river"], level["centimetres"]) == ("po", 112)


async def test_the_live_routes_answer_their_visitors(rivers: Project) -> None:
    async with rivers.serving() as running:
        assert (await running.get("/api/longest")).json() == {"name": "Danube", "km": 2850}
        assert [river["name"] for river in (await running.get("/api/search?q=lb")).json()] == ["Elbe"]
        assert (await running.get("/api/favourite")).json()["slug"] == "danube"
        await running.post("/api/favourite?slug=seine")
        assert (await running.get("/api/favourite")).json()["slug"] == "seine"
        assert (await running.get("/api/today")).json()["km"] > 0
