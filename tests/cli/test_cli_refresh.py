"""millpond refresh: what is rendered now, what stays where that fails, and what the command says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cli_project import LIVE, call
from millpond import Millpond
from millpond.telemetry.journal import Journal
from ponds import client_of

if TYPE_CHECKING:
    from cli_project import Done
    from ponds import Project

PRICES = """\
from pathlib import Path

from millpond import cached

dynamic = "force-static"
FILE = Path(__file__).parents[3] / "price.txt"


@cached(tags=["prices"])
def price() -> int:
    return int(FILE.read_text())


def generate_static_params():
    return [{"id": "1"}, {"id": "2"}]


def GET(id: str):
    return {"id": id, "price": price()}
"""
QUERIED = """\
cache_query = ["page"]
dynamic = "force-static"
times = 0


def GET(page: int = 1):
    global times
    times += 1
    return {"page": page, "times": times}
"""


class Shop:
    """A built project whose prices are in a file, and commands on it."""

    def __init__(self, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
        self.project, self._capsys = project, capsys
        project.routes({"/items/[id]": PRICES, "/live": LIVE, "/list": QUERIED})
        self.price("10")
        assert self.call("build").code == 0

    def price(self, text: str) -> None:
        self.project.write({"price.txt": text})

    def call(self, *arguments: str) -> Done:
        return call(self.project.folder, self._capsys, *arguments, "--dir", str(self.project.folder))

    def states(self, path: str, what: str = "state") -> set[str]:
        """Of the stored answers of a path; or their ids, or the reasons."""
        shown = self.call("cache", "ls", "--json", "--kind", "response").facts["entries"]
        return {entry[what] for entry in shown if entry["path"] == path}


@pytest.fixture
def shop(project: Project, capsys: pytest.CaptureFixture[str]) -> Shop:
    return Shop(project, capsys)


def test_a_tag_is_refreshed_with_the_data_that_its_answers_are_made_of(shop: Shop) -> None:
    shop.price("12")
    done = shop.call("refresh", "--tag", "prices", "--json")
    assert done.code == 0, done.err
    assert {name: done.facts[name] for name in ("rendered", "failed", "generation")} == {
        "rendered": 2,
        "failed": [],
        "generation": 1,
    }
    shown = shop.call("cache", "ls", "--json", "--kind", "response").facts["entries"]
    assert {entry["path"]: entry["state"] for entry in shown if entry["route"] == "/items/[id]"} == {
        "/items/1": "fresh",
        "/items/2": "fresh",
    }


def test_where_a_render_fails_the_old_answer_stays_and_the_command_says_so(shop: Shop) -> None:
    shop.price("not a number")
    done = shop.call("refresh", "--path", "/items/1")
    assert done.code == 1
    assert "failed: /items/1: ValueError" in done.err
    assert "1 path failed, and what was stored stays" in done.out
    assert shop.states("/items/1", "reason") == {"refresh-failed"}


def test_a_failure_that_pauses_refreshes_is_tried_again_at_once(shop: Shop) -> None:
    shop.price("not a number")
    assert shop.call("refresh", "--path", "/items/1").code == 1
    shop.price("14")
    assert shop.call("refresh", "--path", "/items/1").code == 0
    assert shop.states("/items/1") == {"fresh"}


def test_a_pattern_reaches_every_stored_path_and_a_path_all_its_queries(shop: Shop) -> None:
    assert shop.call("refresh", "--path", "/items/[id]", "--json").facts["rendered"] == 2
    (shop.project.folder / "paths.txt").write_text("/list?page=2\n/list?page=3\n")
    assert shop.call("warm", "--from", str(shop.project.folder / "paths.txt")).code == 0
    assert shop.call("refresh", "--path", "/list", "--json").facts["rendered"] == len(shop.states("/list", "id"))


def test_a_path_that_nothing_is_stored_for_is_rendered(shop: Shop) -> None:
    assert shop.call("refresh", "--path", "/items/1").code == 0
    assert shop.call("cache", "purge", "--path", "/items/1").code == 0
    assert shop.call("refresh", "--path", "/items/1", "--json").facts["rendered"] == 1
    assert shop.states("/items/1") == {"fresh"}


def test_what_is_live_is_left_alone_and_what_is_nothing_is_said(shop: Shop) -> None:
    live = shop.call("refresh", "--path", "/live")
    assert (live.code, "1 not rendered: live: " in live.out) == (0, True)
    nothing = shop.call("refresh", "--tag", "pricess")
    assert (nothing.code, "nothing that is stored was reached" in nothing.out) == (0, True)


def test_the_timeline_tells_who_refreshed_what(shop: Shop) -> None:
    assert shop.call("refresh", "--tag", "prices").code == 0
    event = Journal(shop.project.folder / ".millpond" / "metrics").latest(1)[0]
    assert (event.kind, event.origin, event.text, event.tags) == ("action", "cli", "Refreshed tag prices", ("prices",))
    assert event.detail == "2 answers rendered"


def test_a_server_keeps_serving_the_old_answer_until_the_new_one_is_there(shop: Shop) -> None:
    async def seen() -> list[tuple[str, int]]:
        pond = Millpond(shop.project.folder / "app")
        pond.isolated = False  # as a server's process
        async with pond.lifespan(), client_of(pond) as client:
            found = [await client.get("/items/1")]
            for text in ("11", "none", "12"):
                shop.price(text)
                await asyncio.to_thread(shop.call, "refresh", "--path", "/items/1")
                found.append(await client.get("/items/1"))
            return [(answer.headers["x-nextjs-cache"], answer.json()["price"]) for answer in found]

    assert asyncio.run(seen()) == [("HIT", 10), ("HIT", 11), ("HIT", 11), ("HIT", 12)]


@pytest.mark.parametrize("config", ['base_path = "/docs"\n', "trailing_slash = true\n"])
@pytest.mark.parametrize("path", ["/items/1", "/items/[id]", "/list"])
def test_paths_are_named_without_base_path_and_slash(shop: Shop, config: str, path: str) -> None:
    shop.project.write({"millpond.toml": config})
    assert shop.call("build").code == 0
    done = shop.call("refresh", "--path", path, "--json")
    assert (done.code, done.facts["failed"], done.facts["skipped"]) == (0, [], []), done.out
    assert done.facts["rendered"] == (2 if path == "/items/[id]" else 1)


def test_answers_of_header_values_are_left_to_the_next_request(shop: Shop) -> None:
    varied = (
        'cache_vary = {"accept-language": ["de", "en"]}\ndynamic = "force-static"\n\n\ndef GET():\n    return "hi"\n'
    )
    shop.project.routes({"/varied": varied})
    assert shop.call("build").code == 0
    assert shop.call("refresh", "--path", "/list").code == 0  # opens the store, so that the build's answers are in it
    done = shop.call("refresh", "--path", "/varied", "--json")
    assert (done.code, done.facts["rendered"], done.facts["left"]) == (0, 0, 2), done.facts
    assert shop.states("/varied") == {"stale"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name what to refresh: --tag TAG or --path PATH."),
        (["--path", "items"], '"items" has no leading slash'),
        (["--tag", "a", "--type", "page"], "--type is for paths."),
    ],
)
def test_what_makes_no_sense_is_refused(shop: Shop, arguments: list[str], message: str) -> None:
    done = shop.call("refresh", *arguments)
    assert (done.code != 0, message in done.err) == (True, True)


def test_without_a_store_that_servers_share_it_says_what_reaches_them(shop: Shop) -> None:
    shop.project.write({"millpond.toml": '[cache]\nstore = "memory"\n'})
    done = shop.call("refresh", "--path", "/items/1")
    assert (done.code != 0, "no server would see what is rendered here" in done.err) == (True, True)
