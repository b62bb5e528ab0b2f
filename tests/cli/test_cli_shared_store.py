"""The store's commands on a project whose store is a Valkey server."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from cli_project import ITEMS, STOCK, call
from engines import Engine, engine, settle
from millpond import Millpond
from millpond.config import load_config
from millpond.stores.factory import chosen_store
from ponds import client_of

if TYPE_CHECKING:
    from cli_project import Done
    from ponds import Project

__all__ = ["engine"]


class Pond:
    """A project with a shared store, and the commands on it."""

    def __init__(self, project: Project, capsys: pytest.CaptureFixture[str], engine: Engine) -> None:
        self.folder, self._capsys, self.client = project.folder, capsys, engine.client()
        self.client.flushall()
        settle(self.client, "shop")
        project.routes({"/items/[id]": ITEMS, "/stock/[shop]": STOCK})
        project.write({"millpond.toml": f'[cache]\nstore = "{engine.url}"\nprefix = "shop"\n'})

    def call(self, *arguments: str) -> Done:
        return call(self.folder, self._capsys, *arguments, "--dir", str(self.folder))

    def cache(self, *arguments: str) -> Done:
        return self.call("cache", *arguments)

    def build(self) -> None:
        assert self.call("build").code == 0

    def ask(self, *paths: str) -> list[str | None]:
        """Serve the build, and ask for paths."""

        async def served() -> list[str | None]:
            pond = Millpond(self.folder / "app")
            pond.isolated = False  # as a server's process
            async with pond.lifespan(), client_of(pond) as client:
                return [(await client.get(path)).headers.get("x-nextjs-cache") for path in paths]

        return asyncio.run(served())

    def listed(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.cache("ls", "--json").facts["entries"]
        return entries

    def paths(self) -> list[str]:
        return sorted(entry["path"] or entry["kind"] or entry["state"] for entry in self.listed())


@pytest.fixture
def pond(project: Project, capsys: pytest.CaptureFixture[str], engine: Engine) -> Pond:
    """Built, served, and stopped: two items of the build, and a stock with the data that it was made of."""
    pond = Pond(project, capsys, engine)
    pond.build()
    assert pond.ask("/items/1", "/stock/north") == ["HIT", "MISS"]
    return pond


def test_what_one_process_left_the_next_one_finds(pond: Pond) -> None:
    assert pond.ask("/items/1", "/stock/north") == ["HIT", "HIT"]


def test_ls_show_and_stats_say_what_is_in_a_shared_store(pond: Pond) -> None:
    assert pond.paths() == ["/items/1", "/items/2", "/stock/north", "function"]
    assert {entry["state"] for entry in pond.listed()} == {"fresh"}
    assert "/stock/north" in pond.cache("show", "/stock/north").out
    facts = pond.cache("stats", "--json").facts
    assert (facts["entries"], facts["kinds"], facts["mirrors"]) == (4, {"response": 3, "function": 1}, 0)
    assert facts["bytes"] == sum(entry["size"] for entry in pond.listed())
    assert "entries      4  (3 response, 1 function)\n" in pond.cache("stats").out


def test_revalidate_reaches_what_is_shared(pond: Pond) -> None:
    assert pond.call("revalidate", "--tag", "stock", "--profile", "max").code == 0
    assert {(entry["path"], entry["state"]) for entry in pond.listed() if "stock" in entry["tags"]} == {
        ("/stock/north", "stale"),
        (None, "stale"),
    }
    done = pond.call("revalidate", "--path", "/items/1", "--json")
    assert (done.facts["paths"], done.facts["generation"]) == (1, 2)
    assert pond.ask("/items/1", "/items/2", "/stock/north") == ["MISS", "HIT", "STALE"]


def test_an_invalidation_before_the_first_start_concerns_the_build(
    project: Project, capsys: pytest.CaptureFixture[str], engine: Engine
) -> None:
    pond = Pond(project, capsys, engine)
    pond.build()
    assert pond.call("revalidate", "--path", "/items/1").code == 0
    assert pond.ask("/items/1", "/items/2") == ["MISS", "HIT"]


def test_verify_finds_a_damaged_frame_and_prune_drops_it(pond: Pond) -> None:
    assert pond.cache("verify").out == "4 entries, 0 damaged\n"
    found = next(entry for entry in pond.listed() if entry["path"] == "/items/1")
    key = next(key for key in pond.client.scan_iter() if found["id"].encode() in key)
    pond.client.append(key, "x")
    assert (pond.cache("verify").code, pond.cache("verify").out) == (1, "4 entries, 1 damaged\n")
    assert pond.cache("prune").out == "1 entry removed\n"
    assert pond.cache("verify").out == "3 entries, 0 damaged\n"
    assert not pond.client.exists(key)


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["--path", "/items/[id]"], ["/stock/north", "function"]),
        (["--tag", "stock"], ["/items/1", "/items/2"]),
        (["--all"], []),
    ],
)
def test_purge_drops_what_is_named(pond: Pond, arguments: list[str], left: list[str]) -> None:
    assert pond.cache("purge", *arguments).code == 0
    assert pond.paths() == left


def test_two_builds_have_answers_of_their_own_and_share_data_until_one_is_pruned(pond: Pond) -> None:
    former = {entry["build"] for entry in pond.listed() if entry["kind"] == "response"}
    pond.build()
    assert pond.ask("/items/1", "/stock/north") == ["HIT", "MISS"]
    builds = {entry["build"] for entry in pond.listed() if entry["kind"] == "response"}
    assert len(builds) == 2
    assert [entry["kind"] for entry in pond.listed()].count("function") == 1
    assert pond.cache("prune").out == "3 entries removed\n"
    assert {entry["build"] for entry in pond.listed() if entry["kind"] == "response"} == builds - former


def test_a_build_that_a_server_still_serves_is_not_pruned(pond: Pond) -> None:
    (former,) = {entry["build"] for entry in pond.listed() if entry["kind"] == "response"}
    pond.build()

    async def pruned() -> str:
        store = chosen_store(pond.folder, load_config(pond.folder).cache, former, time.time)
        await store.open()
        try:
            assert (await asyncio.to_thread(pond.cache, "stats", "--json")).facts["builds"] == [former]
            return (await asyncio.to_thread(pond.cache, "prune")).out
        finally:
            await store.close()

    assert asyncio.run(pruned()) == "0 entries removed\n"
    assert pond.cache("prune").out == "3 entries removed\n"


def test_a_published_build_starts_warm_on_a_host_that_has_no_answers_of_it(pond: Pond) -> None:
    pond.client.flushall()
    settle(pond.client, "shop")
    assert pond.call("build", "--publish").code == 0
    for answers in (pond.folder / ".millpond" / "build").glob("entries-*.bin"):
        answers.unlink()
    assert pond.ask("/items/1", "/items/2", "/stock/north") == ["HIT", "HIT", "MISS"]


def test_a_build_that_can_not_be_published_says_so(
    project: Project, capsys: pytest.CaptureFixture[str], engine: Engine
) -> None:
    pond = Pond(project, capsys, engine)
    project.write({"millpond.toml": '[cache]\nstore = "valkey://:swordfish@127.0.0.1:1"\nprefix = "shop"\n'})
    done = pond.call("build", "--publish")
    assert done.code == 1
    assert "the store at valkey://127.0.0.1:1/0 doesn't take the build's answers" in done.err
    assert "swordfish" not in done.err
    project.write({"millpond.toml": '[cache]\nstore = "memory"\n'})
    assert "--publish needs a shared store" in pond.call("build", "--publish").err


@pytest.mark.parametrize("command", [["cache", "ls"], ["cache", "prune"], ["revalidate", "--tag", "t"]])
def test_a_server_that_is_not_there_is_a_clear_error_without_the_password(
    project: Project, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    project.write({"millpond.toml": '[cache]\nstore = "valkey://me:swordfish@127.0.0.1:1/0"\n', "app/.keep": ""})
    done = call(project.folder, capsys, *command, "--dir", str(project.folder))
    assert done.code == 1
    assert "the store at valkey://127.0.0.1:1/0 can't be" in done.err or "can't invalidate" in done.err
    assert "swordfish" not in done.err + done.out


def test_a_shared_store_that_nobody_has_used_is_said_to_be_none(
    project: Project, capsys: pytest.CaptureFixture[str], engine: Engine
) -> None:
    pond = Pond(project, capsys, engine)
    pond.client.flushall()
    done = pond.cache("ls")
    assert done.code == 1
    assert f"there is no store with this prefix at {engine.url}; start the application once" in done.err


def test_a_refresh_renders_into_the_shared_store(
    project: Project, capsys: pytest.CaptureFixture[str], engine: Engine
) -> None:
    pond = Pond(project, capsys, engine)
    pond.build()
    assert pond.ask("/items/1") == ["HIT"]
    done = pond.call("refresh", "--path", "/items/[id]", "--json")
    assert (done.code, done.facts["rendered"], done.facts["generation"]) == (0, 2, 1)
    assert pond.ask("/items/1", "/items/2") == ["HIT", "HIT"]
