"""`millpond start --warm`: before the server says that it serves."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from cli_project import ITEMS, call
from many_workers import PID, is_running, started, until
from millpond.serve.processes.worker import Warming, Worker
from started_server import free_port
from started_server import started as listening

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


GATED = """\
import asyncio
from pathlib import Path

dynamic = "force-static"
GATE = Path(__file__).parents[3] / "gate"


def generate_static_params():
    return []


async def GET(id: str):
    while not GATE.exists():
        await asyncio.sleep(0.01)
    return id
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_with_a_ready_path_probes_are_told_that_it_isnt_warm_and_visitors_are_answered(
    project: Project, capsys: pytest.CaptureFixture[str], workers: int
) -> None:
    project.routes({"/gated/[id]": GATED, "/items/[id]": ITEMS})
    sitemap = 'def sitemap():\n    return [{"url": "https://x.example/gated/1"}]\n'
    project.write({"app/sitemap.py": sitemap, "millpond.toml": '[server]\nready_path = "/healthz"\n'})
    build(project, capsys)
    port, log = free_port(), project.folder / "log"
    command = [sys.executable, "-m", "millpond", "start", "--dir", str(project.folder), "--port", str(port)]
    with listening([*command, "--workers", str(workers), "--warm", "5"], port, log) as server:
        probe, page = (f"http://127.0.0.1:{port}{path}" for path in ("/healthz", "/items/1"))
        for _ in range(5):  # whichever worker is asked
            answer = httpx2.get(probe, trust_env=False)
            assert (answer.status_code, answer.json()) == (503, {"ready": False, "missing": ["warm"]})
        assert httpx2.get(page, trust_env=False).json() == "1"
        assert "serving build" not in log.read_text("utf-8")
        (project.folder / "gate").touch()
        until(lambda: "serving build" in log.read_text("utf-8"))
        for _ in range(5):
            assert httpx2.get(probe, trust_env=False).json() == {"ready": True}
        if workers > 1:  # those that take over are asked when they are warm
            (project.folder / "gate").unlink()
            build(project, capsys)
            server.send_signal(signal.SIGHUP)
            for _ in range(20):
                assert httpx2.get(probe, trust_env=False).json() == {"ready": True}
                time.sleep(0.1)
            (project.folder / "gate").touch()
            until(lambda: log.read_text("utf-8").count("serving build") == 2)


def test_a_server_that_is_ended_while_it_warms_ends_at_once(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/gated/[id]": GATED})
    sitemap = 'def sitemap():\n    return [{"url": "https://x.example/gated/1"}]\n'
    config = '[server]\nready_path = "/healthz"\nshutdown_timeout = 1\n'
    project.write({"app/sitemap.py": sitemap, "millpond.toml": config})
    build(project, capsys)
    port, log = free_port(), project.folder / "log"
    command = [sys.executable, "-m", "millpond", "start", "--dir", str(project.folder), "--port", str(port)]
    with listening([*command, "--warm", "5"], port, log) as server:
        began = time.monotonic()
        server.terminate()
        assert server.wait(20) == 0
    assert time.monotonic() - began < 10
    assert "Traceback" not in log.read_text("utf-8")
