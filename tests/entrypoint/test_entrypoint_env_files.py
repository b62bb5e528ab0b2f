"""Every command that loads a project has the variables of its `.env` files, and leaves nothing of them behind."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING

import httpx2
import pytest

from cli_project import STATIC, address_in, call, spawn

if TYPE_CHECKING:
    from ponds import Project

MAIN = """\
import os

from millpond import Millpond

app = Millpond(title=os.environ["MP_TITLE"])


@app.get("/title")
def title():
    return {"title": app.title, "now": os.environ.get("MP_TITLE")}
"""
READS = """\
import os

dynamic = "force-static"


def GET():
    return os.environ.get("MP_TITLE")
"""


@pytest.fixture
def site(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("MP_TITLE", raising=False)
    project.routes({"/": READS})
    project.write({"main.py": MAIN, ".env": "MP_TITLE=from the file\n"})
    return project


@pytest.mark.parametrize(
    "command",
    [["build"], ["routes"], ["explain", "/"], ["openapi"], ["cron", "list"], ["cache", "stats", "--app", "main:app"]],
    ids=lambda command: command[0],
)
def test_a_command_that_loads_a_project_has_its_variables(
    site: Project, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    done = call(site.folder, capsys, *command, "--dir", str(site.folder))
    assert "MP_TITLE" not in done.err, done.err
    assert "KeyError" not in done.err, done.err
    assert "MP_TITLE" not in os.environ


def test_what_a_file_sets_is_environment_for_a_build_and_a_difference_at_start(
    site: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(site.folder, capsys, "build", "--dir", str(site.folder), "--json")
    assert "from the file" not in done.out  # values are told nowhere
    assert "MP_TITLE" in done.out
    site.write({".env": "MP_TITLE=another\n"})
    for workers in ("1", "2"):
        process = spawn("start", "--dir", str(site.folder), "--port", "0", "--workers", workers)
        try:
            address = address_in(process)
            with httpx2.Client(base_url=address, trust_env=False) as client:
                assert client.get("/title").json() == {"title": "another", "now": "another"}
        finally:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=20)
        warnings = [each for line in said.splitlines() if "MP_TITLE" in (each := json.loads(line)["message"])]
        # The address is told after them by one process, and before them by a parent of several.
        assert workers == "2" or len(warnings) <= 1
        assert "another" not in said


def test_workers_that_are_replaced_read_the_files_anew(site: Project, capsys: pytest.CaptureFixture[str]) -> None:
    call(site.folder, capsys, "build", "--dir", str(site.folder))
    process = spawn("start", "--dir", str(site.folder), "--port", "0", "--workers", "2")
    try:
        with httpx2.Client(base_url=address_in(process), trust_env=False, timeout=10) as client:
            site.write({".env": "MP_TITLE=renewed\n"})
            process.send_signal(signal.SIGHUP)
            ends = time.monotonic() + 20
            while client.get("/title", headers={"connection": "close"}).json()["title"] != "renewed":
                assert time.monotonic() < ends
                time.sleep(0.1)
    finally:
        process.kill()
        process.communicate()


def test_the_store_of_a_command_without_an_application_may_have_its_password_there(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MP_SECRET", raising=False)
    project.write({"millpond.toml": '[revalidate_endpoint]\nsecret_env = "MP_SECRET"\n', ".env": "nothing here\n"})
    asks = ["revalidate", "--dir", str(project.folder), "--tag", "a", "--url", "http://127.0.0.1:9"]
    done = call(project.folder, capsys, *asks)
    assert "warning: .env:1: this can't be read as NAME=value" in done.err
    assert "MP_SECRET isn't set" in done.err
    project.write({".env": f"MP_SECRET={'s' * 20}\n"})
    done = call(project.folder, capsys, *asks)
    assert "can't be reached" in done.err
    assert "sss" not in done.err


def test_the_files_can_be_chosen_or_left_out(site: Project, capsys: pytest.CaptureFixture[str]) -> None:
    site.write({"settings/shared.env": "MP_TITLE=chosen\n"})
    site.write({"millpond.toml": '[app]\nenv_files = [".env", "settings/shared.env"]\n'})
    document = call(site.folder, capsys, "openapi", "--dir", str(site.folder)).facts
    assert document["info"]["title"] == "chosen"
    site.write({"millpond.toml": "[app]\nenv_files = []\n"})
    done = call(site.folder, capsys, "openapi", "--dir", str(site.folder))
    assert (done.code, "MP_TITLE" in done.err) == (1, True)


def test_an_application_that_is_only_imported_reads_no_files(project: Project) -> None:
    """As pytest, `fastapi run` and uvicorn do it."""
    project.routes({"/": STATIC})
    project.write({".env": "MP_TITLE=from the file\n"})
    project.pond()
    assert "MP_TITLE" not in os.environ
