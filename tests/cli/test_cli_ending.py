from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx2
import pytest

from cli_project import STATIC, address_in, call, execute
from many_workers import PATIENCE, started, until

if TYPE_CHECKING:
    from ponds import Project

if sys.platform != "win32":
    import resource

EVENTS = """\
import asyncio

from millpond import StreamingResponse

dynamic = "force-dynamic"


async def events():
    while True:
        yield b"data: 1\\n\\n"
        await asyncio.sleep(0.05)


async def GET():
    return StreamingResponse(events(), media_type="text/event-stream")
"""

SLOW = """\
import asyncio
import sys

dynamic = "force-dynamic"


async def GET():
    print("begun", file=sys.stderr)
    await asyncio.sleep(60)
"""

FILES = 120
"""That a server may have open: it needs some forty."""

MAIN = "from millpond.cli import main; main()"
WITHOUT_UVLOOP = f"import sys; sys.modules['uvloop'] = None; {MAIN}"


def test_streams_dont_hold_up_the_end_of_a_server_with_workers(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/events": EVENTS})
    project.write({"millpond.toml": "[server]\nshutdown_timeout = 60\nstream_timeout = 0\n"})
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    with started(project) as server, ExitStack() as stack:
        for _ in range(4):
            stream = stack.enter_context(server.stream("/events"))
            assert next(stream.iter_text()) == "data: 1\n\n"
        logged = server.end()  # waits for less than the server would for a request
    assert server.process.returncode == 0
    assert {line["level"] for line in logged} == {"info"}
    assert not any("exception" in line for line in logged)


def test_a_second_signal_ends_a_server_at_once(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/slow": SLOW})
    project.write({"millpond.toml": "[server]\nshutdown_timeout = 60\n"})
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    with started(project, workers=1) as server:
        address = server.address.removeprefix("http://").split(":")
        with socket.create_connection((address[0], int(address[1]))) as client:
            client.sendall(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
            until(lambda: any("begun" in line for line in server.said))
            server.process.send_signal(signal.SIGINT)
            until(lambda: any("1 request within 60 s" in line for line in server.said))
            logged = server.end(signal.SIGTERM)
    assert server.process.returncode == 128 + signal.SIGTERM
    assert logged[-1]["message"] == "received SIGTERM again: exiting immediately"


@pytest.mark.skipif(sys.platform == "win32", reason="files are counted otherwise there")
@pytest.mark.parametrize("program", [MAIN, WITHOUT_UVLOOP], ids=["uvloop", "asyncio"])
def test_a_server_without_file_descriptors_says_so_in_one_line_and_recovers(
    project: Project, capsys: pytest.CaptureFixture[str], program: str
) -> None:
    project.routes({"/": STATIC})
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    process = subprocess.Popen(
        [sys.executable, "-c", program, "start", "--dir", str(project.folder), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        # The soft limit alone would be raised.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (FILES // 2, FILES)),
    )
    try:
        address = address_in(process)
        host, port = address.removeprefix("http://").split(":")
        with ExitStack() as stack:
            for _ in range(FILES + 20):
                stack.enter_context(socket.create_connection((host, int(port))))
            assert process.stderr is not None
            told = json.loads(process.stderr.readline())
        assert told["message"].startswith("out of file descriptors: ")
        assert f"connections open, limit {FILES};" in told["message"]
        assert json.loads(process.stderr.readline())["message"] == "file descriptors are available again"
        assert httpx2.get(address, trust_env=False, timeout=PATIENCE).status_code == 200
        process.terminate()
        _, rest = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert [json.loads(line)["message"] for line in rest.splitlines()] == ["GET / 200", "stopping"]


COUNTING = """\
import logging
import os

from millpond.serve.processes.descriptors import Descriptors

logging.basicConfig(format="%(message)s")
try:
    while True:
        os.dup(2)
except OSError:
    Descriptors(lambda: 7).look()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files are counted otherwise there")
def test_a_process_that_inherited_its_limit_finds_it_out_without_a_file() -> None:
    """As a worker's is, which has had no cause to ask for it before."""
    done = subprocess.run(
        [sys.executable, "-c", COUNTING],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES)),
        timeout=PATIENCE,
        check=True,
    )
    assert done.stderr.startswith(f"out of file descriptors: 7 connections open, limit {FILES};")


POOL = """\
import atexit
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(1)
atexit.register(print, "flushed at exit")
dynamic = "force-static"


def GET():
    return pool.submit(len, "abc").result()
"""


def test_a_pool_of_threads_in_a_project_keeps_nothing_from_running_at_exit(project: Project) -> None:
    """As error trackers and tracers send what they have then."""
    project.routes({"/": POOL})
    built = execute("build", "--dir", str(project.folder))
    assert (built.code, built.out.splitlines()[-1]) == (0, "flushed at exit")
