from __future__ import annotations

import json
import re
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2
import pytest

from cli_project import ITEMS, STATIC, address_in, call, execute, spawn
from millpond.config.project.build_output import OUTPUT

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from ponds import Project


@contextmanager
def started(project: Project, *options: str) -> Iterator[tuple[subprocess.Popen[str], httpx2.Client]]:
    process = spawn("start", "--dir", str(project.folder), "--port", "0", *options)
    try:
        with httpx2.Client(base_url=address_in(process), trust_env=False, timeout=10) as client:
            yield process, client
    finally:
        process.kill()
        process.communicate()


def test_start_refuses_without_a_build(project: Project) -> None:
    project.routes({"/": STATIC})
    done = execute("start", "--dir", str(project.folder), "--port", "0")
    assert done.code == 1
    assert done.err == f"error: no build in {project.folder / OUTPUT}; run `millpond build` first.\n"


def test_start_refuses_a_build_of_another_version(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/": STATIC})
    call(project.folder, capsys, "build", "--dir", str(project.folder))
    manifest = project.folder / OUTPUT / "manifest.json"
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**facts, "millpond": "0.0.1"}))
    done = call(project.folder, capsys, "start", "--dir", str(project.folder))
    assert done.code == 1
    assert "made by Millpond 0.0.1" in done.err
    assert "run `millpond build` again" in done.err


def test_start_refuses_routes_that_were_not_built(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/": STATIC})
    call(project.folder, capsys, "build", "--dir", str(project.folder))
    project.routes({"/added": STATIC})
    done = call(project.folder, capsys, "start", "--dir", str(project.folder), "--port", "0")
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("error: app/added/route.py was added after the build")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--forwarded-allow-ips", "10.0.0.1"], "--forwarded-allow-ips names the proxies that --proxy-headers trusts"),
        (["--proxy-headers", "--forwarded-allow-ips", "localhost"], '"localhost" is neither an address nor a network'),
    ],
)
def test_start_refuses_proxies_that_it_cannot_tell(project: Project, options: list[str], problem: str) -> None:
    done = execute("start", "--dir", str(project.folder), "--port", "0", *options)
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert problem in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_answers_from_the_build_and_ends_cleanly_when_it_is_told_to(
    project: Project, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    project.routes({"/items/[id]": ITEMS})
    call(project.folder, capsys, "build", "--dir", str(project.folder))
    with started(project) as (process, client):
        answer = client.get("/items/1")
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert answer.headers["x-nextjs-cache"] == "HIT"
    assert process.returncode == 0
    assert out == ""
    access, stopping = (json.loads(line) for line in err.splitlines())
    assert (access["logger"], access["message"], access["cache"]) == ("millpond.access", "GET /items/1 200", "HIT")
    assert stopping["message"] == "stopping"


def test_logs_are_text_when_asked_for_and_quiet_above_info(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/": STATIC})
    call(project.folder, capsys, "build", "--dir", str(project.folder))
    with started(project, "--log-format", "text") as (process, client):
        client.get("/")
        process.terminate()
        _, err = process.communicate(timeout=10)
    assert re.search(r'127.0.0.1 +200 .* HIT +GET /  "python-httpx2', err)
    assert "{" not in err


def test_without_an_access_log_only_the_server_itself_speaks(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/": STATIC})
    call(project.folder, capsys, "build", "--dir", str(project.folder))
    with started(project, "--no-access-log") as (process, client):
        client.get("/")
        process.terminate()
        _, err = process.communicate(timeout=10)
    assert [json.loads(line)["message"] for line in err.splitlines()] == ["stopping"]


def test_a_stop_finishes_what_runs_after_an_answer(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes(
        {
            "/": """
            import asyncio
            from pathlib import Path
            from millpond import after

            async def late():
                await asyncio.sleep(0.5)
                Path(__file__).with_name("done").touch()

            def GET():
                after(late)
                return "at once"
            """
        }
    )
    call(project.folder, capsys, "build", "--dir", str(project.folder))
    with started(project) as (process, client):
        assert client.get("/").json() == "at once"
        process.terminate()
        process.communicate(timeout=10)
    assert process.returncode == 0
    assert (project.folder / "app" / "done").exists()


def test_a_port_that_is_taken_is_one_line_and_exit_code_1(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/": STATIC})
    call(project.folder, capsys, "build", "--dir", str(project.folder))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = call(project.folder, capsys, "start", "--dir", str(project.folder), "--port", str(port))
    assert done.code == 1
    assert done.err.startswith(f"error: can't listen on 127.0.0.1:{port}: address already in use")
    assert done.err.count("\n") == 1


def test_long_paths_and_headers_are_refused(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/": STATIC})
    project.write({"millpond.toml": "[server]\nmax_path_bytes = 500\nmax_header_bytes = 2000\n"})
    call(project.folder, capsys, "build", "--dir", str(project.folder))
    with started(project) as (_, client):
        assert client.get("/" + "a" * 600).status_code == 414
        assert client.get("/" + "a" * 60_000).status_code == 414
        assert client.get("/", headers={"x": "a" * 2100}).status_code == 431
        assert client.get("/", headers={"x": "a" * 200_000}).status_code == 431
        assert client.get("/").status_code == 200


def test_a_secret_of_crons_that_can_be_guessed_keeps_the_server_from_starting(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/": STATIC})
    call(project.folder, capsys, "build", "--dir", str(project.folder))
    done = execute("start", "--dir", str(project.folder), "--port", "0", CRON_SECRET="short")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert '"CRON_SECRET" has 5 characters; use 16 or more' in done.err
