from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from cli_project import ITEMS, STOCK, call
from millpond import Millpond
from millpond.stores.lmdb.layout import digest
from millpond.stores.lmdb.opening import open_environment, release
from ponds import client_of

if TYPE_CHECKING:
    from pathlib import Path

    from cli_project import Done
    from ponds import Project


class Pond:
    """A project with a store on disk, and the commands on it."""

    def __init__(self, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
        self.project, self.folder, self._capsys = project, project.folder, capsys
        project.routes({"/items/[id]": ITEMS, "/stock/[shop]": STOCK})

    @property
    def store(self) -> Path:
        return self.folder / ".millpond" / "cache"

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

    def listed(self, *arguments: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.cache("ls", "--json", *arguments).facts["entries"]
        return entries

    def paths(self, *arguments: str) -> list[str | None]:
        return sorted(entry["path"] or entry["kind"] for entry in self.listed(*arguments))

    def damage(self, key: str) -> None:
        environment = open_environment(self.store, 1 << 20, time.time())
        with environment.write() as txn:
            txn.put(digest(key), b"MLPD, and then nothing sensible", db=environment.tables.entries)
        release(environment)


@pytest.fixture
def pond(project: Project, capsys: pytest.CaptureFixture[str]) -> Pond:
    """Built, served, and stopped: two items of the build, and a stock with the data that it was made of."""
    pond = Pond(project, capsys)
    pond.build()
    assert pond.ask("/items/1", "/stock/north") == ["HIT", "MISS"]
    return pond


def test_ls_lists_what_the_build_and_the_requests_have_stored(pond: Pond) -> None:
    done = pond.cache("ls")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["Entry", "Kind", "Size", "Age", "State", "Lifetime", "Gen", "Hits", "Id", "Tags"]
    assert sorted(line.split()[0] for line in lines[1:]) == ["/items/1", "/items/2", "/stock/north", "count()"]
    stock = next(line for line in lines if line.startswith("/stock/north"))
    assert " response " in stock
    assert " fresh " in stock
    assert " 1m / 1y " in stock
    assert stock.endswith("stock")


def test_ls_as_json_has_all_facts(pond: Pond) -> None:
    facts = next(entry for entry in pond.listed() if entry["path"] == "/items/1")
    assert len(facts.pop("id")) == 32
    assert facts.pop("size") > 200
    assert 0 <= facts.pop("age") < 60
    assert 0 < facts.pop("ttl") <= 60
    assert len(facts.pop("build")) == 20
    assert facts == {
        "key": "response\0app/items/[id]/route.py\0/items/1\0",
        "kind": "response",
        "method": "GET",
        "route": "/items/[id]",
        "path": "/items/1",
        "variant": None,
        "label": None,
        "status": 200,
        "revalidate": 60,
        "expire": 31536000,
        "stale_after": 60,
        "state": "fresh",
        "reason": "fresh",
        "generation": 0,
        "hits": 1,
        "tags": [],
    }


def test_ls_folds_own_tags_away_unless_all_are_asked_for(pond: Pond) -> None:
    assert [entry["tags"] for entry in pond.listed("--route", "/stock/[shop]")] == [["stock"]]
    assert "path:/stock/north" in pond.listed("--route", "/stock/[shop]", "--all")[0]["tags"]


def test_a_long_path_is_shown_found_and_invalidated_by_its_name(pond: Pond) -> None:
    path = f"/stock/{'a' * 100}"
    pond.ask(path)
    (facts,) = (entry for entry in pond.listed("--all") if entry["path"] == path)
    assert {f"path:{path}", f"below:{path}", "below:/stock", "route:/stock/[shop]"} <= set(facts["tags"])
    assert pond.cache("show", path, "--json").facts["entries"][0]["path"] == path
    assert pond.call("revalidate", "--path", path).code == 0
    assert pond.ask(path) == ["MISS"]
    assert pond.cache("purge", "--path", path, "--json").facts == {"removed": 1}


@pytest.mark.parametrize(
    ("arguments", "paths"),
    [
        (["--route", "/items/[id]"], ["/items/1", "/items/2"]),
        (["--tag", "stock"], ["/stock/north", "function"]),
        (["--kind", "function"], ["function"]),
        (["--tag", "stock", "--kind", "response"], ["/stock/north"]),
        (["--tag", "none"], []),
        (["--limit", "0"], ["/items/1", "/items/2", "/stock/north", "function"]),
    ],
)
def test_ls_lists_what_fits(pond: Pond, arguments: list[str], paths: list[str]) -> None:
    assert pond.paths(*arguments) == paths


def test_ls_says_how_many_it_left_out(pond: Pond) -> None:
    assert pond.cache("ls", "--limit", "1").out.endswith("1 of 4 entries; --limit 0 shows all\n")
    facts = pond.cache("ls", "--limit", "1", "--json").facts
    assert (len(facts["entries"]), facts["total"]) == (1, 4)


@pytest.mark.parametrize("arguments", [[], ["--tag", "none"]])
def test_the_json_of_ls_is_printed_like_any_other(pond: Pond, arguments: list[str]) -> None:
    printed = pond.cache("ls", "--json", *arguments).out
    assert printed == json.dumps(json.loads(printed), indent=2, ensure_ascii=False) + "\n"


def test_a_long_list_is_several_tables(pond: Pond, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millpond.cli.cache._ROWS_OF_A_TABLE", 2)
    assert pond.cache("ls").out.count("Entry") == 2
    assert pond.cache("ls", "--tag", "none").out.count("Entry") == 1


def test_show_takes_a_path_a_key_and_the_beginning_of_an_id(pond: Pond) -> None:
    facts = next(entry for entry in pond.listed() if entry["path"] == "/items/2")
    for name in ("/items/2", "response app/items/[id]/route.py /items/2", facts["id"], facts["id"][:8].upper()):
        (shown,) = pond.cache("show", name, "--json").facts["entries"]
        assert (shown["path"], shown["headers"]["content-type"]) == ("/items/2", "application/json")
    text = pond.cache("show", "/items/2").out
    assert "\nid         " + facts["id"] in text
    assert "lifetime   1m / 1y" in text
    assert "path:/items/2" in text


def test_show_of_nothing_is_an_error_that_says_where_to_look(pond: Pond) -> None:
    done = pond.cache("show", "/items/3")
    assert done.code == 1
    assert done.err == "error: nothing is stored for /items/3; `millpond cache ls` lists all entries.\n"


def test_stats_count_kinds_and_states(pond: Pond) -> None:
    assert pond.call("revalidate", "--tag", "stock").code == 0
    facts = pond.cache("stats", "--json").facts
    assert facts["entries"] == 4
    assert facts["kinds"] == {"response": 3, "function": 1}
    assert facts["states"] == {"fresh": 2, "dead": 2}
    assert (facts["generation"], facts["tags"], facts["max_bytes"]) == (1, 1, 1 << 30)
    assert facts["bytes"] == sum(entry["size"] for entry in pond.listed())
    assert "entries      4  (3 response, 1 function)\n" in pond.cache("stats").out


def test_an_entry_whose_tag_was_invalidated_softly_is_listed_as_stale(pond: Pond) -> None:
    assert pond.call("revalidate", "--tag", "stock", "--profile", "max").code == 0
    assert {(entry["state"], entry["reason"]) for entry in pond.listed("--tag", "stock")} == {("stale", "tag")}


def test_verify_finds_a_damaged_frame_and_prune_drops_it(pond: Pond) -> None:
    assert pond.cache("verify").out == "4 entries, 0 damaged\n"
    key = "response\0app/items/[id]/route.py\0/items/1\0"
    pond.damage(key)
    done = pond.cache("verify")
    assert (done.code, done.out) == (1, "4 entries, 1 damaged\n")
    assert f"entry {digest(key).hex()[:10]} is damaged" in done.err
    assert pond.cache("verify", "--json").facts == {"entries": 4, "damaged": [digest(key).hex()]}
    assert "damaged" in pond.cache("ls").out
    assert pond.cache("prune").out == "1 entry removed\n"
    assert pond.cache("verify").code == 0


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["--path", "/items/1"], ["/items/2", "/stock/north", "function"]),
        (["--path", "/items/[id]"], ["/stock/north", "function"]),
        (["--tag", "stock"], ["/items/1", "/items/2"]),
        (["--path", "/items/1", "--tag", "stock"], ["/items/2"]),
        (["--key", "response app/items/[id]/route.py /items/2"], ["/items/1", "/stock/north", "function"]),
        (["--all"], []),
    ],
)
def test_purge_drops_what_it_is_told_to_and_nothing_else(pond: Pond, arguments: list[str], left: list[str]) -> None:
    assert pond.cache("purge", "--json", *arguments).facts == {"removed": 4 - len(left)}
    assert pond.paths() == left


def test_purge_wants_to_be_told_what(pond: Pond) -> None:
    done = pond.cache("purge")
    assert done.code == 1
    assert done.err == "error: select entries with --all, --path PATH, --tag TAG or --key KEY.\n"
    assert len(pond.paths()) == 4


def test_what_was_purged_is_rendered_again(pond: Pond) -> None:
    pond.cache("purge", "--path", "/stock/north")
    assert pond.ask("/stock/north", "/stock/north") == ["MISS", "HIT"]


def test_prune_keeps_what_is_served(pond: Pond) -> None:
    assert pond.cache("prune").out == "0 entries removed\n"
    assert len(pond.paths()) == 4


def test_prune_drops_the_answers_of_another_build_and_keeps_data(pond: Pond) -> None:
    pond.build()
    assert {entry["state"] for entry in pond.listed("--kind", "response")} == {"dead"}
    assert pond.cache("prune").out == "3 entries removed\n"
    assert pond.paths() == ["function"]


def test_prune_drops_what_a_tag_expired(pond: Pond) -> None:
    pond.call("revalidate", "--tag", "stock")
    assert pond.cache("prune").out == "2 entries removed\n"
    assert pond.paths() == ["/items/1", "/items/2"]


def test_a_new_build_replaces_answers_and_keeps_function_data_whose_code_is_unchanged(pond: Pond) -> None:
    pond.build()
    assert pond.ask("/items/1") == ["HIT"]
    assert {entry["state"] for entry in pond.listed()} == {"fresh", "dead"}
    assert pond.cache("prune").out == "1 entry removed\n", "a server does the same after a second"
    assert pond.paths() == ["/items/1", "/items/2", "function"]
    assert {entry["state"] for entry in pond.listed()} == {"fresh"}


@pytest.mark.parametrize("command", ["ls", "stats", "verify", "prune"])
def test_without_a_store_the_message_says_how_there_comes_to_be_one(
    project: Project, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    done = Pond(project, capsys).cache(command)
    assert done.code == 1
    assert "there is no store in" in done.err
    assert "start the application once" in done.err
    assert not (project.folder / ".millpond").exists()


def test_with_the_cache_in_memory_there_is_nothing_to_look_at(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write({"millpond.toml": '[cache]\nstore = "memory"\n'})
    done = Pond(project, capsys).cache("ls", "--json")
    assert done.code == 1
    assert 'the configuration has [cache] store = "memory"' in done.facts["errors"][0]["message"]


def test_the_store_can_be_put_elsewhere(project: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    project.write({"millpond.toml": f'[cache]\npath = "{tmp_path / "elsewhere"}"\n'})
    pond = Pond(project, capsys)
    pond.build()
    pond.ask("/items/1")
    assert (tmp_path / "elsewhere" / "data.mdb").exists()
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o700
    assert not pond.store.exists()
    assert pond.paths() == ["/items/1", "/items/2"]


def test_all_answers_of_a_path_are_shown_with_a_line_between(pond: Pond) -> None:
    keyed = 'cache_query = ["page"]\nrevalidate = 60\ndef generate_static_params(): return []\n'
    pond.project.routes({"/pages/[id]": f"{keyed}def GET(id: str, page: int = 1): return page\n"})
    pond.build()
    pond.ask("/pages/a", "/pages/a?page=2")
    shown = pond.cache("show", "/pages/a").out.split("\n\n")
    assert len(shown) == 2
    assert all(text.startswith("path       /pages/a\n") for text in shown)


def test_a_damaged_entry_is_shown_by_its_id_as_far_as_it_goes(pond: Pond) -> None:
    facts = next(entry for entry in pond.listed() if entry["path"] == "/items/2")
    pond.damage(facts["key"])
    (shown,) = pond.cache("show", facts["id"], "--json").facts["entries"]
    assert (shown["state"], shown["path"], shown["headers"]) == ("damaged", None, {})
    text = pond.cache("show", facts["id"]).out
    assert text.startswith(f"id         {facts['id']}\n")
    assert "state      damaged (damaged)" in text


def test_a_damaged_build_keeps_nobody_from_looking_into_the_store(pond: Pond) -> None:
    listed = pond.paths()
    (pond.folder / ".millpond" / "build" / "manifest.json").write_text("{")
    assert pond.paths() == listed
