"""`millpond start --warm`: before the server says that it serves."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from cli_project import ITEMS, call
from many_workers import PID, is_running, started, until
from millpond.serve.processes.worker import Warming, Worker

if TYPE_CHECKING:
    from ponds import Project

SITEMAP = """\
def sitemap():
    return [{"url": f"https://shop.example/items/{number}"} for number in range(1, 6)]
"""
HANGS = """\
import time

dynamic = "force-static"


def generate_static_params():
    return []


def GET(id: str):
    if id == "bad":
        raise ValueError("no data")
    time.sleep(60)
"""


def build(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0


def warmed(lines: list[dict[str, Any]]) -> list[str]:
    return [line["message"] for line in lines if line["message"].startswith("warmed by")]


@pytest.mark.parametrize("workers", [1, 2])
def test_it_is_warm_when_it_says_that_it_serves_and_one_process_has_done_it(
    project: Project, capsys: pytest.CaptureFixture[str], workers: int
) -> None:
    project.routes({"/items/[id]": ITEMS})
    project.write({"app/sitemap.py": SITEMAP})
    build(project, capsys)
    with started(project, workers, "--warm", "4") as server:
        assert [server.get(f"/items/{number}").headers["x-nextjs-cache"] for number in range(1, 7)] == [
            *["HIT"] * 4,
            *["MISS"] * 2,
        ]
        logged = server.end()
    messages = [line["message"] for line in logged]
    (told,) = warmed(logged)
    assert told.startswith("warmed by sitemap in ")
    assert told.endswith("4 asked: 2 rendered, 2 already there")
    serving = next(at for at, message in enumerate(messages) if message.startswith("serving build"))
    assert messages.index(told) < serving


def test_after_sighup_the_first_new_worker_warms_the_new_build_while_the_old_ones_answer(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/items/[id]": ITEMS, "/pid": PID})
    build(project, capsys)
    with started(project, 2, "--warm", "10") as server:
        before = server.pids(2)
        for _ in range(3):
            assert server.get("/items/7").json() == "7"
        project.routes({"/items/[id]": ITEMS.replace("return id", "return 'new ' + id")})
        build(project, capsys)
        until(lambda: reads_of(project, capsys, "/items/7") >= 2)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.get("/items/7").status_code == 200 and not any(map(is_running, before)))
        answer = server.get("/items/7")
        assert (answer.json(), answer.headers["x-nextjs-cache"]) == ("new 7", "HIT")
        logged = server.end()
    (told,) = warmed(logged)  # at the first start nothing was stored, and the site has no sitemap
    assert "most-read" in told
    assert "1 rendered" in told


def reads_of(project: Project, capsys: pytest.CaptureFixture[str], path: str) -> int:
    listed = call(project.folder, capsys, "cache", "ls", "--json", "--dir", str(project.folder)).facts["entries"]
    return sum(entry["hits"] for entry in listed if entry["path"] == path)


def test_what_fails_and_what_hangs_is_logged_and_the_server_starts_in_time(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/hang/[id]": HANGS})
    sitemap = 'def sitemap():\n    return [{"url": f"https://x.example/hang/{id}"} for id in ("bad", "1")]\n'
    project.write({"app/sitemap.py": sitemap, "millpond.toml": "[server]\nwarm_timeout = 1\nshutdown_timeout = 1\n"})
    build(project, capsys)
    with started(project, 1, "--warm", "5") as server:
        assert server.get("/sitemap.xml").status_code == 200
        logged = server.end()
    messages = {line["message"] for line in logged}
    assert "warming /hang/bad failed: ValueError: no data" in messages
    assert any(message.startswith("warming /hang/1 failed: it took longer than") for message in messages)


def test_a_site_without_a_sitemap_starts_cold_and_says_so(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/items/[id]": ITEMS})
    project.write({"millpond.toml": '[cache]\nstore = "memory"\n'})
    build(project, capsys)
    with started(project, 1, "--warm", "5") as server:
        assert server.get("/items/1").status_code == 200
        logged = server.end()
    assert "the server starts cold: the site has no sitemap that can be read." in {line["message"] for line in logged}


def test_the_time_of_a_warming_isnt_that_of_a_start() -> None:
    worker = Worker(lambda sockets, started: 0, (), 1.0)
    worker._receive(Warming(60))
    for _ in range(50):
        worker.look(1.0)
    assert worker.starting == 0
    for _ in range(20):
        worker.look(1.0)
    assert worker.starting == 10
