from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from cli_project import address_in, call, execute, spawn

if TYPE_CHECKING:
    import pytest

    from ponds import Project

JOB = """\
import os
import time
from pathlib import Path

from fastapi import Depends

from millpond.cron import cron_only

dynamic = "force-dynamic"


def GET(_: None = Depends(cron_only)):
    with Path(__file__).with_name("runs.txt").open("a") as file:
        file.write(f"{int(time.time())} {os.getpid()}\\n")
    if os.environ.get("JOB_FAILS"):
        raise RuntimeError("the upstream is gone")
"""


WAITING = """\
import time
from pathlib import Path

dynamic = "force-dynamic"


def GET():
    here = Path(__file__).parent
    (here / "began").touch()
    while not (here / "end").exists():
        time.sleep(0.01)
"""


def prepare(project: Project, schedule: str = "0 4 * * *", **more: str) -> None:
    project.routes({"/job": JOB})
    lines = [f'{name} = "{value}"' for name, value in {"path": "/job", "schedule": schedule, **more}.items()]
    project.write({"millpond.toml": "\n".join(["[[cron]]", *lines, ""])})


def test_the_list_says_when_each_runs_next_and_how_the_last_run_ended(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(project, timezone="Europe/Berlin")
    folder = str(project.folder)
    assert call(project.folder, capsys, "build", "--dir", folder).code == 0
    before = call(project.folder, capsys, "cron", "list", "--dir", folder)
    assert "/job" in before.out
    assert "Europe/Berlin" in before.out
    assert "not yet" in before.out
    done = call(project.folder, capsys, "cron", "run", "/job", "--dir", folder)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("/job: ok with 200 after ")
    facts = call(project.folder, capsys, "cron", "list", "--dir", folder, "--json").facts["crons"]
    assert [(each["path"], [run["outcome"] for run in each["runs"]]) for each in facts] == [("/job", ["ok"])]
    assert facts[0]["next"] > time.time()


def test_a_run_that_fails_says_so_with_its_exit_code(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(project)
    monkeypatch.setenv("JOB_FAILS", "1")
    folder = str(project.folder)
    done = call(project.folder, capsys, "cron", "run", "/job", "--dir", folder)
    assert done.code == 1
    assert "failed with 500" in done.out
    assert "the upstream is gone" in done.err
    json = call(project.folder, capsys, "cron", "run", "/job", "--dir", folder, "--json")
    assert (json.code, json.facts["outcome"], json.facts["status"]) == (1, "failed", 500)


def test_what_cannot_be_run_is_a_message(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(project)
    folder = str(project.folder)
    done = call(project.folder, capsys, "cron", "run", "/jab", "--dir", folder)
    assert (done.code, done.err) == (1, "error: there is no such cron of /jab; the configured ones are: /job.\n")
    project.write(
        {"millpond.toml": project.folder.joinpath("millpond.toml").read_text() + '[cache]\nstore = "memory"\n'}
    )
    done = call(project.folder, capsys, "cron", "list", "--dir", folder)
    assert done.code == 1
    assert "only the server itself has the records" in done.err


def test_a_project_without_crons_has_an_empty_list(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/a": "def GET():\n    return 1\n"})
    done = call(project.folder, capsys, "cron", "list", "--dir", str(project.folder))
    assert (done.code, done.out) == (0, "no [[cron]] is configured\n")


def test_two_workers_run_each_second_once(project: Project) -> None:
    prepare(project, "* * * * * *")
    folder = str(project.folder)
    assert execute("build", "--dir", folder).code == 0
    server = spawn("start", "--dir", folder, "--port", "0", "--workers", "2", "--log-level", "info")
    runs = project.folder / "app" / "job" / "runs.txt"
    try:
        address_in(server)
        ends = time.monotonic() + 20
        while time.monotonic() < ends and not (runs.exists() and len(runs.read_text().splitlines()) >= 4):
            time.sleep(0.1)
    finally:
        server.terminate()
        server.communicate(timeout=30)
    seconds = Counter(line.split()[0] for line in runs.read_text().splitlines())
    assert len(seconds) >= 3
    listed = execute("cron", "list", "--dir", folder, "--json").facts["crons"][0]["runs"]
    dues = [run["due"] for run in listed if run["outcome"] != "skipped"]
    assert len(set(dues)) == len(dues) == sum(seconds.values())


def test_a_run_as_json_has_its_outcome(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(project)
    folder = str(project.folder)
    assert call(project.folder, capsys, "build", "--dir", folder).code == 0
    facts = call(project.folder, capsys, "cron", "run", "/job", "--dir", folder, "--json").facts
    assert (facts["outcome"], facts["status"]) == ("ok", 200)


def test_of_several_crons_of_a_path_one_is_named_by_its_schedule(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(project)
    with (project.folder / "millpond.toml").open("a") as file:
        file.write('[[cron]]\npath = "/job"\nschedule = "30 5 * * *"\n')
    folder = str(project.folder)
    assert call(project.folder, capsys, "build", "--dir", folder).code == 0
    done = call(project.folder, capsys, "cron", "run", "/job", "--dir", folder)
    assert done.code == 1
    assert '2 crons run /job; select one with --schedule: "0 4 * * *", "30 5 * * *".' in done.err
    done = call(project.folder, capsys, "cron", "run", "/job", "--schedule", "30 5 * * *", "--dir", folder)
    assert done.code == 0


def test_a_cron_that_runs_already_isnt_run_by_hand(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(project)
    project.routes({"/job": WAITING})
    folder = str(project.folder)
    assert call(project.folder, capsys, "build", "--dir", folder).code == 0
    first = spawn("cron", "run", "/job", "--dir", folder)
    try:
        while not (project.folder / "app" / "job" / "began").exists():
            assert first.poll() is None
            time.sleep(0.01)
        done = call(project.folder, capsys, "cron", "run", "/job", "--dir", folder)
    finally:
        (project.folder / "app" / "job" / "end").touch()
        _, said = first.communicate(timeout=30)
    assert first.returncode == 0, said
    assert done.code == 1
    assert "/job is already running; try again when it has ended." in done.err
