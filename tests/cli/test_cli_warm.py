"""millpond warm: from where the paths come, what is rendered, and what the command says."""

from __future__ import annotations

import io
import signal
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from cli_project import ITEMS, LIVE, RAISES, address_in, call, spawn
from engines import Engine, engine, settle
from millpond.cli.terminal.progress_bar import ProgressBar
from ponds import Clock

if TYPE_CHECKING:
    from cli_project import Done
    from ponds import Project

__all__ = ["engine"]

SITEMAP = """\
def sitemap():
    return [{"url": f"https://shop.example/items/{number}", "priority": 0.1 * number} for number in range(1, 6)]
"""
SLOW = """\
import time

dynamic = "force-static"


def generate_static_params():
    return []


def GET(id: str):
    time.sleep(0.2)
    return id
"""


class Shop:
    """A built project, and commands on it."""

    def __init__(self, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = project.folder, capsys
        project.routes({"/items/[id]": ITEMS, "/live": LIVE})
        project.write({"app/sitemap.py": SITEMAP})
        self.project = project

    def call(self, *arguments: str) -> Done:
        return call(self.folder, self._capsys, *arguments, "--dir", str(self.folder))

    def build(self) -> None:
        assert self.call("build").code == 0

    def paths(self) -> set[str]:
        entries = self.call("cache", "ls", "--json", "--kind", "response").facts["entries"]
        return {entry["path"] for entry in entries}

    def list_of(self, *lines: str) -> str:
        path = self.folder / "paths.txt"
        path.write_text("\n".join(lines), "utf-8")
        return str(path)


@pytest.fixture
def shop(project: Project, capsys: pytest.CaptureFixture[str]) -> Shop:
    made = Shop(project, capsys)
    made.build()
    return made


def test_without_a_store_the_sitemap_is_warmed_before_the_first_start(shop: Shop) -> None:
    done = shop.call("warm", "--limit", "4", "--json")
    assert done.code == 0
    assert {name: done.facts[name] for name in ("source", "asked", "hit", "rendered", "failed", "skipped")} == {
        "source": "sitemap",
        "asked": 4,
        "hit": 1,
        "rendered": 3,
        "failed": [],
        "skipped": [],
    }
    assert shop.paths() == {"/items/1", "/items/2", "/items/3", "/items/4", "/items/5", "/sitemap.xml"}


def test_then_what_was_read_most_is_warm_after_the_next_build(shop: Shop) -> None:
    listed = shop.list_of("/items/7", "/items/8")
    assert shop.call("warm", "--from", listed).code == 0
    assert shop.call("warm", "--from", listed).code == 0  # which reads them
    shop.build()
    done = shop.call("warm", "--limit", "2", "--json")
    assert (done.facts["source"], done.facts["rendered"], done.facts["hit"]) == ("most-read", 2, 0)
    assert {"/items/7", "/items/8"} <= shop.paths()


def test_what_fails_is_named_and_makes_the_exit_code_1_unless_so_many_may(shop: Shop) -> None:
    shop.project.routes(
        {
            "/broken/[id]": RAISES.replace("GET()", "GET(id: str)").replace(
                "def GET", "def generate_static_params():\n    return []\n\n\ndef GET"
            )
        }
    )
    shop.build()
    listed = shop.list_of("/broken/1", "/items/9", "/live", "/nowhere")
    done = shop.call("warm", "--from", listed)
    assert done.code == 1
    assert "failed: 500 /broken/1 ValueError: no data\n" in done.err
    first, *others = done.out.splitlines()
    assert first.startswith(f"{listed}: 2 asked: 1 rendered, 1 failed, 2 skipped, in ")
    assert others == [
        "  1 skipped or not stored: live: GET is live by default (compat 16)",
        "  1 skipped or not stored: live: no route that has a cache answers it",
    ]
    assert shop.call("warm", "--from", listed, "--max-failures", "1").code == 0


def test_several_sources_are_taken_in_their_order_and_stdin_is_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"/items/20\n/items/21\n")))
    done = shop.call("warm", "--from", "-", "--from", shop.list_of("/items/22", "/items/20"), "--limit", "3", "--json")
    assert (done.facts["asked"], done.facts["rendered"]) == (3, 3)
    assert {"/items/20", "/items/21", "/items/22"} <= shop.paths()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "missing.log"], "missing.log can't be read: No such file or directory."),
        (["--from", "-", "--from", "-"], "--from - can be given once"),
        (["--url", "shop.example"], '--url is "shop.example"; it must look like http://127.0.0.1:8000.'),
        (["--url", "http://me:secret@shop.example"], "it must look like"),
        (["--url", "http://127.0.0.1:8000/docs"], "give the server alone, http://127.0.0.1:8000"),
        (["--url", "http://127.0.0.1:1", "--from", "sitemap"], "http://127.0.0.1:1 can't be reached"),
    ],
)
def test_what_cant_work_is_one_line(shop: Shop, arguments: list[str], message: str) -> None:
    done = shop.call("warm", *arguments)
    assert done.code == 1
    assert message in done.err
    assert done.err.count("\n") == 1


def test_a_project_without_a_build_or_with_its_cache_in_memory_has_nothing_to_warm(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Shop(project, capsys)
    assert "run `millpond build` first" in made.call("warm").err
    made.build()
    project.write({"millpond.toml": '[cache]\nstore = "memory"\n'})
    assert "no server would see what is rendered here" in made.call("warm").err


def test_a_running_server_has_what_is_rendered_beside_it_and_is_asked_by_its_url(shop: Shop) -> None:
    server = spawn("start", "--dir", str(shop.folder), "--port", "0", "--no-access-log")
    try:
        url = address_in(server)
        assert shop.call("warm", "--from", shop.list_of("/items/30", "/items/31")).code == 0
        asked = shop.call("warm", "--url", url, "--from", shop.list_of("/items/30", "/items/32", "/live"), "--json")
        assert asked.code == 0
        assert [asked.facts[name] for name in ("hit", "rendered", "live")] == [1, 1, 0]
        assert asked.facts["skipped"] == [
            {"path": "/live", "status": None, "why": "live: GET is live by default (compat 16)"}
        ]
        mapped = shop.call("warm", "--url", url, "--from", "sitemap", "--json")
        assert (mapped.facts["asked"], mapped.facts["failed"]) == (5, [])
        with_live = shop.call("warm", "--url", url, "--from", shop.list_of("/live"), "--live", "--json")
        assert with_live.facts["live"] == 1
    finally:
        server.terminate()
        server.communicate()


def test_a_warming_that_is_interrupted_goes_on_where_it_was(shop: Shop) -> None:
    shop.project.routes({"/slow/[id]": SLOW})
    shop.build()
    listed = shop.list_of(*(f"/slow/{number}" for number in range(40)))
    arguments = ("warm", "--from", listed, "--concurrency", "1", "--dir", str(shop.folder))
    process = spawn(*arguments)
    states = shop.folder / ".millpond" / "warm"
    ends = time.monotonic() + 20
    while not (states.is_dir() and any("/slow/2" in file.read_text() for file in states.iterdir())):
        assert time.monotonic() < ends
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert out.endswith("interrupted: run it again to go on\n")
    again = shop.call("warm", "--from", listed, "--concurrency", "4", "--limit", "12", "--json")
    assert again.facts["resumed"] >= 3
    # The one that was under way when the signal came may have been stored in the end.
    assert again.facts["resumed"] + again.facts["rendered"] + again.facts["hit"] == 12
    assert again.facts["rendered"] >= 5
    assert list(states.iterdir()) == []
    anew = shop.call("warm", "--from", listed, "--limit", "12", "--no-resume", "--json")
    assert (anew.facts["resumed"], anew.facts["hit"]) == (0, 12)


def test_a_shared_store_is_warmed_for_all_hosts(
    project: Project, capsys: pytest.CaptureFixture[str], engine: Engine
) -> None:
    client = engine.client()
    client.flushall()
    settle(client, "shop")
    project.write({"millpond.toml": f'[cache]\nstore = "{engine.url}"\nprefix = "shop"\n'})
    shop = Shop(project, capsys)
    shop.build()
    listed = shop.list_of("/items/7", "/items/8")
    assert shop.call("warm", "--from", listed).code == 0
    assert shop.call("warm", "--from", listed, "--json").facts["hit"] == 2
    shop.build()
    done = shop.call("warm", "--from", "most-read", "--json")
    assert done.facts["failed"] == []
    assert done.facts["rendered"] >= 2


def test_where_there_is_no_terminal_progress_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock(0.0)
    with ProgressBar("warming", tells_lines=True, clock=clock) as bar:
        for done in range(1, 13):
            clock.move(1)
            bar.show(done, 12)
        bar.tell("failed: 500 /a")
    assert capsys.readouterr().err == "warming: 5 of 12\nwarming: 10 of 12\nfailed: 500 /a\n"
