"""`/metrics` of a real server: one answer for all workers, whose figures never fall."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cli_project import ITEMS, call
from many_workers import PID, Server, is_running, started, until

if TYPE_CHECKING:
    from ponds import Project

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def built(project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Project:
    project.routes({"/items/[id]": ITEMS, "/pid": PID})
    project.write({"millpond.toml": '[metrics]\npath = "/metrics"\n'})
    monkeypatch.setenv("SOME_TOKEN", SECRET)
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    return project


def sums(server: Server) -> dict[str, float]:
    """Hits and processes, as Prometheus gets them; and the whole text as a key, for what must not be in it."""
    text = server.get("/metrics").text
    found = {"hits": 0.0, "processes": 0.0, "entries": 0.0}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "millpond_requests_total" and sample.labels["http_route"] == "/items/[id]":
                found["hits"] += sample.value if sample.labels["millpond_decision"] == "hit" else 0
            elif sample.name == "millpond_processes":
                found["processes"] += sample.value
            elif sample.name == "millpond_store_entries":
                found["entries"] += sample.value
    assert SECRET not in text
    assert "session" not in text
    return found


def ask(server: Server, times: int) -> None:
    for _ in range(times):
        assert server.get("/items/1").headers["x-nextjs-cache"] == "HIT"


def test_all_workers_are_in_one_answer_over_restarts_kills_and_sighup(built: Project) -> None:
    with started(built) as server:
        before = server.pids(2)
        ask(server, 30)
        until(lambda: sums(server)["hits"] == 30)  # each worker writes once a second
        assert sums(server) == {"hits": 30, "processes": 2, "entries": 2}
        os.kill(min(before), signal.SIGKILL)
        until(lambda: not is_running(min(before)))
        assert len(server.pids(2) & before) == 1
        ask(server, 10)
        until(lambda: sums(server)["hits"] == 40)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: not any(map(is_running, before)))
        ask(server, 10)
        until(lambda: sums(server) == {"hits": 50, "processes": 2, "entries": 2})
        server.end()
    with started(built, 3) as server:
        server.pids(3)
        assert sums(server)["hits"] == 50
        ask(server, 5)
        until(lambda: sums(server) == {"hits": 55, "processes": 3, "entries": 2})


def test_a_server_says_that_anybody_can_read_the_metrics(built: Project) -> None:
    with started(built) as server:
        server.pids(2)
        until(lambda: any("anybody who reaches /metrics can read the metrics" in line for line in server.said))
        server.end()
    assert sum("anybody who reaches /metrics" in line for line in server.said) == 1
