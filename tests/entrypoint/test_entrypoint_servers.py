"""The servers that people run FastAPI applications with, on a main.py that makes a Millpond."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import httpx2
import pytest

from cli_project import ITEMS, execute
from started_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ponds import Project

MAIN = """\
from contextlib import asynccontextmanager

from millpond import Millpond


@asynccontextmanager
async def lifespan(app):
    print("the lifespan begins", flush=True)
    yield {"greeting": "hello"}
    print("the lifespan ends", flush=True)


app = Millpond(title="A shop", lifespan=lifespan)


@app.get("/declared/{number}")
def declared(number: int) -> int:
    return number


if __name__ == "__main__":
    import sys

    import uvicorn

    uvicorn.run(app, port=int(sys.argv[1]))
"""

LIVE = """\
from fastapi import Request

from main import app


def GET(request: Request):
    return [app.title, request.state.greeting]
"""

CRON = '[[cron]]\npath = "/live"\nschedule = "0 0 1 1 *"\n'

HOST = "127.0.0.1"
SECONDS = 30

PYTHON = sys.executable
COMMANDS = {
    "fastapi run": f"{PYTHON} -m fastapi run main.py --host {HOST} --port PORT",
    "fastapi dev": f"{PYTHON} -m fastapi dev --port PORT",
    "uvicorn": f"{PYTHON} -m uvicorn main:app --port PORT",
    "uvicorn, workers": f"{PYTHON} -m uvicorn main:app --port PORT --workers 2",
    "uvicorn, reload": f"{PYTHON} -m uvicorn main:app --port PORT --reload",
    "gunicorn": f"{PYTHON} -m gunicorn --no-control-socket -k uvicorn_worker.UvicornWorker -b {HOST}:PORT main:app",
    "hypercorn": f"{PYTHON} -m hypercorn main:app -b {HOST}:PORT",
    "granian": f"{PYTHON} -m granian --interface asgi main:app --host {HOST} --port PORT",
    "python main.py": f"{PYTHON} main.py PORT",
    "millpond start": f"{PYTHON} -m millpond start main:app --port PORT",
}

ENDED = {0, -signal.SIGTERM, 128 + signal.SIGTERM}
"""Exit codes after a SIGTERM that was heard: uvicorn raises the signal again when it has ended well."""


@pytest.fixture
def shop(project: Project) -> Project:
    project.write({"main.py": MAIN, "app/items/[id]/route.py": ITEMS, "app/live/route.py": LIVE, "millpond.toml": CRON})
    done = execute("build", "--dir", str(project.folder))
    assert done.code == 0, done.err
    return project


class Served:
    """A server of the shop."""

    def __init__(self, process: subprocess.Popen[bytes], client: httpx2.Client, log: Path) -> None:
        self.process, self.client, self.log = process, client, log

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def end(self) -> str:
        """End it, and return what it has said."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(SECONDS) in ENDED, self.said()
        return self.said()


@contextmanager
def served(project: Project, command: str) -> Iterator[Served]:
    """The server, once it answers."""
    port, log = free_port(), project.folder.with_name("server.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            command.replace("PORT", str(port)).split(),
            cwd=project.folder,
            env={**os.environ, "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        with httpx2.Client(base_url=f"http://{HOST}:{port}", trust_env=False, timeout=SECONDS) as client:
            server = Served(process, client, log)
            deadline = time.monotonic() + SECONDS
            while not _answers(client):
                assert process.poll() is None, server.said()
                assert time.monotonic() < deadline, server.said()
                time.sleep(0.05)
            yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(client: httpx2.Client) -> bool:
    try:
        return client.get("/declared/1").status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_server_serves_declared_routes_documentation_and_the_cache(shop: Project, command: str) -> None:
    with served(shop, command) as server:
        get = server.client.get
        assert "<title>A shop - Swagger UI</title>" in get("/docs").text
        assert list(get("/openapi.json").json()["paths"]) == ["/items/{id}", "/live", "/declared/{number}"]
        assert get("/declared/7").json() == 7
        assert get("/declared/x").status_code == 422
        assert get("/live").json() == ["A shop", "hello"]
        assert get("/items/1").headers["x-nextjs-cache"] == "HIT"
        assert [get("/items/9").headers["x-nextjs-cache"] for _ in range(2)] == ["MISS", "HIT"]
        assert get("/items/1/").status_code == 308
        assert get("/nothing").json() == {"detail": "Not Found"}
        said = server.end()
    workers = 2 if "--workers" in command else 1
    assert said.count("the lifespan begins") == said.count("the lifespan ends") == workers
    assert not re.search(r"Traceback|Exception|error:", said), said
    told = said.count("doesn't run crons, and the configuration has 1 cron: /live")
    assert told == (0 if "millpond start" in command else workers)


@pytest.mark.parametrize("name", ["fastapi dev", "uvicorn, reload"])
def test_a_server_that_reloads_takes_over_a_change_of_main_py(shop: Project, name: str) -> None:
    with served(shop, COMMANDS[name]) as server:
        shop.write({"main.py": MAIN.replace("A shop", "Another shop")})
        deadline = time.monotonic() + SECONDS
        while (title := _title(server.client)) != "Another shop":
            assert time.monotonic() < deadline, title
            time.sleep(0.05)
        server.end()


def _title(client: httpx2.Client) -> str | None:
    try:
        title: str = client.get("/openapi.json").json()["info"]["title"]
    except httpx2.TransportError:  # it starts again
        return None
    return title
