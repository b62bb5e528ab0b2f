from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx2
import pytest
from dev_server import SECONDS, developing, returns

from millpond.cli import run
from millpond.config import Entrypoint
from millpond.dev import supervisor
from millpond.dev.supervisor import ServingProcess, supervise
from millpond.errors import WatchError
from millpond.serve.processes.addresses import bound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ponds import Project


def test_a_change_reloads_and_no_request_is_refused_meanwhile(project: Project) -> None:
    project.routes({"/": returns("one")})
    with developing(project) as dev:
        assert dev.get().json() == "one"
        dev.write(returns("two"))
        dev.until(lambda answer: answer.json() == "two")  # `until` asks all the time, and would see a refusal
        said = dev.stop()
    assert dev.process.returncode == 0
    assert "app/route.py changed: reloading" in said
    assert "Traceback" not in said


def test_a_metadata_file_that_comes_or_goes_is_seen(project: Project) -> None:
    project.routes({"/": returns("one")})
    with developing(project) as dev:
        assert dev.get("/robots.txt").status_code == 404
        project.write({"app/robots.txt": "User-Agent: *\n"})
        assert dev.until(lambda answer: answer.status_code == 200, "/robots.txt").text == "User-Agent: *\n"
        (project.folder / "app" / "robots.txt").unlink()
        dev.until(lambda answer: answer.status_code == 404, "/robots.txt")


def test_nothing_is_cached(project: Project) -> None:
    project.routes(
        {"/": "revalidate = 60\ncount = 0\n\n\ndef GET():\n    global count\n    count += 1\n    return count\n"}
    )
    with developing(project) as dev:
        assert [dev.get().json() for _ in range(2)] == [1, 2]


def test_an_error_in_a_file_is_a_page_until_it_is_mended(project: Project) -> None:
    project.routes({"/": "def GET(:\n"})
    with developing(project) as dev:
        assert dev.get("/anything").status_code == 404
        for path in ("/", "/?query"):
            answer = dev.get(path, accept="text/html")
            assert answer.status_code == 500
            assert "app/route.py:1" in answer.text
        assert dev.get(accept="application/json").json()["line"] == 1
        dev.write(returns("mended") + "\n\ndef post(): ...\n")
        dev.until(lambda answer: answer.status_code == 200)
        said = dev.stop()
    assert "app/route.py:1: invalid syntax" in said
    assert "warning  app/route.py:5: post" in said


def test_another_host_is_refused_on_pages_and_error_pages_until_the_configuration_allows_it(project: Project) -> None:
    project.routes({"/": returns("one")})
    other = {"host": "shop.test"}
    with developing(project) as dev:
        refused = dev.client.get("/", headers=other)
        assert (refused.status_code, 'allowed_hosts = ["shop.test"]' in refused.text) == (403, True)
        assert dev.get().json() == "one"
        dev.write("def GET(:\n")
        dev.until(lambda answer: answer.status_code == 500)
        assert dev.client.get("/", headers=other).status_code == 403
        project.write({"millpond.toml": '[dev]\nallowed_hosts = [".test"]\n'})
        deadline = time.monotonic() + SECONDS
        while dev.client.get("/", headers=other).status_code != 500:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("error", ["OSError: no collector", "SystemExit: no collector"])
def test_what_a_start_raises_is_a_page(project: Project, error: str) -> None:
    project.routes({"/": returns("fine")})
    raised = error.partition(":")[0]
    project.write({"instrumentation.py": f"def register(app):\n    raise {raised}('no collector')\n"})
    with developing(project) as dev:
        facts = dev.get(accept="application/json").json()
        dev.stop()
    assert (facts["error"], facts["file"], facts["line"]) == (error, "instrumentation.py", 2)


def test_a_configuration_that_is_wrong_is_a_page_for_this_machine_only(project: Project) -> None:
    project.routes({"/": returns("fine")})
    project.write({"millpond.toml": '[dev]\nallowed_hosts = ["*"]\n'})
    with developing(project) as dev:
        answer = dev.get()
        refused = dev.client.get("/", headers={"host": "shop.test"})
        dev.stop()
    assert (answer.status_code, refused.status_code) == (500, 403)
    assert "dev.allowed_hosts" in answer.text


def test_a_handler_that_raises_is_a_page_and_the_log_folds_frames(project: Project) -> None:
    project.routes({"/": "def GET():\n    raise ValueError('<b>')\n", "/fine": returns("fine")})
    with developing(project) as dev:
        answer = dev.get(accept="text/html")
        assert answer.status_code == 500
        assert "ValueError: &lt;b&gt;" in answer.text
        assert "app/route.py:2" in answer.text
        assert dev.get("/fine").json() == "fine"
        said = dev.stop()
    assert "app/route.py:2 in GET" in said
    assert "starlette" not in said


def test_a_process_that_ends_by_itself_is_told_and_not_started_in_a_loop(project: Project) -> None:
    project.routes({"/": "import os\n\nos._exit(7)\n"})
    with developing(project) as dev:
        assert "exit code 7" in dev.get().text
        time.sleep(1)  # long enough for a second start, were there one
        dev.write(returns("mended"))
        dev.until(lambda answer: answer.status_code == 200)
        said = dev.stop()
    assert said.count("exit code 7") == 1


def test_a_process_that_cannot_even_tell_of_an_end_waits_for_a_change(project: Project) -> None:
    with ServingProcess(Entrypoint(project.folder), "127.0.0.1", [], threading.Event()) as child:
        child.start(crashed=7)
        assert child._process is not None
        child._process.kill()
        child._process.wait()
        assert child.crashed() is None


def test_a_server_that_writes_files_does_not_reload(project: Project) -> None:
    writes = """
    from pathlib import Path

    Path(__file__).with_name("made.py").write_text("same = 1")
    Path(__file__).with_name("shop.db").write_text("data")

    def GET():
        return "up"
    """
    project.routes({"/": writes})
    project.write({"app/made.py": "same = 1"})
    with developing(project) as dev:
        assert dev.get().json() == "up"
        time.sleep(1)  # long enough for a reload, were there one
        said = dev.stop()
    assert "reloading" not in said


def test_the_server_ends_when_the_supervisor_was_killed(project: Project) -> None:
    project.routes({"/": returns("up")})
    with developing(project) as dev:
        assert dev.get().json() == "up"
        dev.process.kill()
        dev.process.wait()
        address = (dev.client.base_url.host, dev.client.base_url.port or 0)
        deadline = time.monotonic() + SECONDS
        while _listens(address):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_stop_does_not_wait_for_a_request_that_hangs(project: Project) -> None:
    project.routes({"/": "import asyncio\n\n\nasync def GET():\n    print('in')\n    await asyncio.sleep(60)\n"})
    with developing(project) as dev:
        assert dev.get("/elsewhere").status_code == 404  # it serves: what follows hangs in the handler
        with pytest.raises(httpx2.ReadTimeout):
            dev.client.get("/", timeout=1.5)
        began = time.monotonic()
        said = dev.stop(signal.SIGTERM)
        assert time.monotonic() - began < 8
    assert "Traceback" not in said
    assert "1 request didn't end within 1 s and is cut off: GET /" in said  # it ended by itself: it needn't be killed
    assert dev.process.returncode == 0


def test_a_second_signal_leaves_the_serving_process_no_time(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_GRACE", 600)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    with (
        supervisor._until_signalled() as (stop, again),
        ServingProcess(Entrypoint(project.folder), "127.0.0.1", [], again) as child,
    ):
        child._process = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
        assert child._process.stdout is not None
        with child._process.stdout as said:
            said.readline()
        signal.raise_signal(signal.SIGINT)
        assert (stop.is_set(), again.is_set()) == (True, False)
        signal.raise_signal(signal.SIGINT)
        child.stop()


def _listens(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


def test_a_server_whose_loop_hangs_ends_soon_after_its_supervisor(project: Project) -> None:
    project.routes({"/": "import time\n\ndynamic = 'force-dynamic'\n\nasync def GET():\n    time.sleep(60)\n"})
    with developing(project) as dev:
        with suppress(httpx2.ReadTimeout):
            dev.client.get("/", timeout=2)
        port = dev.client.base_url.port
        dev.process.kill()
        dev.process.wait(SECONDS)
        ends = time.monotonic() + SECONDS
        while is_taken(port):
            assert time.monotonic() < ends
            time.sleep(0.05)


def is_taken(port: int | None) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port or 0)) == 0


def test_a_folder_that_isnt_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dev", "--dir", str(tmp_path / "nowhere"), "--port", "0"]) == 1
    said = capsys.readouterr().err
    assert said == f"error: there is no folder {tmp_path / 'nowhere'}; give the project's with --dir.\n"


def test_files_that_cant_be_watched_are_one_sentence_with_what_helps(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> Iterator[object]:
        raise OSError(28, "No space left on device")  # what inotify says when a user watches too many

    monkeypatch.setattr("millpond.dev.supervisor.watch", refused)
    project.routes({"/": returns("fine")})
    with bound("127.0.0.1", 0) as sockets, pytest.raises(WatchError, match="WATCHFILES_FORCE_POLLING=true"):
        supervise(Entrypoint(project.folder), "127.0.0.1", sockets, print)
