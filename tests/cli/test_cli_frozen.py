"""What commands say of frozen inputs, to people."""

from __future__ import annotations

import json
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from cli_project import STATIC, call, spawn
from millpond.prerender.build_manifest import read_manifest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from ponds import Project

USERS = """\
import os
from lib.db import rows
dynamic = "force-static"

def GET():
    os.environ["API_URL"]
    return rows("SELECT name, email FROM users WHERE active = 1 AND region = 'secret' ORDER BY name")
"""
DATABASE = """\
import sqlite3
from contextlib import closing

def rows(sql):
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE users (name, email, active, region)")
        return db.execute(sql).fetchall()
"""
TEAMS = """\
import datetime, random
from millpond import cached
revalidate = False

def generate_static_params():
    return [{"id": "a"}, {"id": "b"}]

@cached
def lucky(id):
    return random.choice([1, 2])

async def GET(id: str):
    return {"at": str(datetime.datetime.now()), "lucky": lucky(id)}
"""
STAMP = 'import time\nfrozen_ok = ("clock",)\ndynamic = "force-static"\n\ndef GET():\n    return time.time()\n'
NOTES = """
Answers keep what these were at this build. To read them
  again in time:            revalidate = N
  when it has changed:      a @cached function with a tag to invalidate
  for each request:         connection() before it, or dynamic = "force-dynamic"
  never, and that is meant: frozen_ok = ("clock", "env:API_URL", "database")
A @cached function reads its inputs again with a lifetime, or when a tag of it is invalidated.
1 frozen input is declared with frozen_ok.
"""
AT_120 = """\
Route                Why
┌ ● /api/teams/[id]  revalidate = False · app/api/teams/[id]/route.py:3
                     froze: clock
│ ├   /api/teams/a
│ └   /api/teams/b
├ ○ /api/users       dynamic = "force-static" · app/api/users/route.py:3
                     froze: env API_URL, database
└ ○ /stamp           dynamic = "force-static" · app/stamp/route.py:3

○  static: rendered at build, one answer for everybody
●  static with parameters: rendered at build, or at the first request for a path

Frozen inputs                 Read at
/api/teams/[id]  clock        app/api/teams/[id]/route.py:13 · datetime.now
/api/users       env API_URL  app/api/users/route.py:6
                 database     lib/db.py:6 · sqlite3 execute: CREATE TABLE users (name, email, active, region)
                 database     lib/db.py:7 · sqlite3 execute: SELECT name, email FROM users WHERE active = ? AND region
                              =…
@cached lucky()  randomness   app/api/teams/[id]/route.py:10 · random.choice
"""
AT_80 = """\
Frozen inputs                 Read at
/api/teams/[id]  clock        app/api/teams/[id]/route.py:13 · datetime.now
/api/users       env API_URL  app/api/users/route.py:6
                 database     lib/db.py:6 · sqlite3 execute: CREATE TABLE users
                              (name, email, active, region)
                 database     lib/db.py:7 · sqlite3 execute: SELECT name, email
                              FROM users WHERE active = ? AND region =…
@cached lucky()  randomness   app/api/teams/[id]/route.py:10 · random.choice
"""


@pytest.fixture
def shop(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("API_URL", "https://secret.example")
    project.write({"lib/db.py": DATABASE})
    project.routes({"/api/users": USERS, "/api/teams/[id]": TEAMS, "/stamp": STAMP})
    return project


@pytest.mark.parametrize(("columns", "shown"), [("120", AT_120), ("80", AT_80)])
def test_a_build_says_what_answers_froze_under_its_table(
    shop: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str, shown: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    done = call(shop.folder, capsys, "build", "--dir", str(shop.folder))
    assert shown in done.out
    assert NOTES in done.out
    assert "secret" not in done.out
    assert max(map(len, done.out.partition("Answers keep")[0].splitlines())) <= int(columns)


def test_a_build_that_froze_nothing_says_nothing(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/": STATIC})
    assert "froze" not in call(project.folder, capsys, "build", "--dir", str(project.folder)).out.lower()


def test_a_build_that_refuses_ends_with_1_and_names_routes_for_machines(
    shop: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.write({"millpond.toml": '[build]\nfrozen = "error"\n'})
    done = call(shop.folder, capsys, "build", "--dir", str(shop.folder), "--json")
    assert done.code == 1
    assert [error["path"] for error in done.facts["errors"]] == ["/api/teams/[id]", "/api/users"]
    assert "nothing was written" in done.err


def test_explain_says_what_a_path_froze_and_what_to_do(shop: Project, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(shop.folder)
    assert call(shop.folder, capsys, "build", "--dir", folder).code == 0
    lines = call(shop.folder, capsys, "explain", "/api/teams/a", "--dir", folder).out.splitlines()
    assert [line for line in lines if line.startswith(("froze", "to read"))] == [
        "froze    clock (datetime.now, app/api/teams/[id]/route.py:13)",
        "froze    randomness (random.choice, app/api/teams/[id]/route.py:10) in @cached lucky()",
        "to read  again in time:            revalidate = N",
        "to read  when it has changed:      a @cached function with a tag to invalidate",
        'to read  for each request:         connection() before it, or dynamic = "force-dynamic"',
        'to read  never, and that is meant: frozen_ok = ("clock",)',
    ]
    stamp = call(shop.folder, capsys, "explain", "/stamp", "--dir", folder, "--json").facts
    assert (stamp["frozen"], stamp["remedies"]) == (["clock (time.time, app/stamp/route.py:6), declared"], [])
    other = call(shop.folder, capsys, "explain", "/api/teams/unlisted", "--dir", folder, "--json").facts
    assert (other["frozen"], other["refreshed"]) == ([], [])


def test_explain_says_what_a_fresh_path_reads_again(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/": "import time\nrevalidate = 60\n\ndef GET():\n    return time.time()\n"})
    folder = str(project.folder)
    assert call(project.folder, capsys, "build", "--dir", folder).code == 0
    lines = call(project.folder, capsys, "explain", "/", "--dir", folder).out.splitlines()
    assert [line for line in lines if line.startswith(("froze", "reads", "to read"))] == [
        "reads    clock (time.time, app/route.py:5)"
    ]


@contextmanager
def killed_after(process: subprocess.Popen[str], seconds: float) -> Iterator[None]:
    """So that what is waited for in vain ends the test, and nothing hangs."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def test_workers_that_take_over_a_new_build_say_which_it_is_and_what_differs(
    shop: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, builds = str(shop.folder), []

    def build() -> None:
        assert call(shop.folder, capsys, "build", "--dir", folder).code == 0
        manifest = read_manifest(shop.folder)
        assert manifest is not None
        builds.append(manifest.build)

    build()
    arguments = ("start", "--dir", folder, "--port", "0", "--workers", "2", "--log-format", "json")
    logged = []
    with spawn(*arguments) as process, killed_after(process, 60):
        assert process.stderr is not None
        for line in process.stderr:
            logged.append(json.loads(line)["message"])
            if "serving build" in line and len(builds) == 1:
                monkeypatch.setenv("API_URL", "else")
                build()
                process.send_signal(signal.SIGHUP)
            elif "serving build" in line:
                process.terminate()
    told = [message for message in logged if "API_URL" in message or "serving build" in message]
    assert [message.split(" on ")[0].split(". ")[0] for message in told] == [
        f"serving build {builds[0]}",
        "API_URL isn't what it was at build",
        f"serving build {builds[1]}",
    ]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_start_warns_once_of_a_variable_that_is_another_one_now(
    shop: Project, capsys: pytest.CaptureFixture[str], workers: str
) -> None:
    folder = str(shop.folder)
    assert call(shop.folder, capsys, "build", "--dir", folder).code == 0
    arguments = ("start", "--dir", folder, "--port", "0", "--workers", workers, "--log-format", "json")
    logged = []
    with spawn(*arguments, API_URL="else") as process:
        assert process.stderr is not None
        for line in process.stderr:
            logged.append(line)
            if "serving build" in line:
                process.terminate()
    warned = [message for message in (json.loads(line)["message"] for line in logged) if "API_URL" in message]
    assert warned == [
        "API_URL isn't what it was at build. Until they are rendered again, the build's value is in "
        "/api/users (app/api/users/route.py:6). Build with the server's environment, or read it in a live route."
    ]
    assert "secret" not in "".join(logged)
