from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stubborn_work import Deaf, Mortal, Never, Slow, Stuck

from millpond.config import ServerConfig
from millpond.serve.processes.worker import WorkerReport
from millpond.serve.processes.workers import GRACE, Workers, _signals_restored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from millpond.serve.processes.worker import WorkerTask

SECONDS = 20


def supervised(
    work: WorkerTask, over: Callable[[Workers], bool], patience: float = 1.0, max_silence: float = 30.0
) -> Workers:
    """One worker's supervisor, after it has run until `over`, or given up."""
    with _signals_restored(), ended(patience, work, max_silence) as workers:

        def watch() -> None:
            ends = time.monotonic() + SECONDS
            while not workers.should_exit.is_set() and time.monotonic() < ends and not over(workers):
                time.sleep(0.02)
            workers.signal_queue.append(signal.SIGTERM)

        watching = threading.Thread(target=watch)
        watching.start()
        workers.run()
        watching.join()
    return workers


@contextmanager
def ended(patience: float, work: WorkerTask, max_silence: float) -> Iterator[Workers]:
    workers = Workers(work, [], 1, patience, lambda _: None, max_silence)
    try:
        yield workers
    finally:
        workers.kill_all()


def serves(trace: Path, begun: int) -> Callable[[Workers], bool]:
    """Whether the worker that began as the `begun`th serves."""

    def over(workers: Workers) -> bool:
        return trace.exists() and trace.stat().st_size == begun and workers.workers[0].has_served

    return over


def test_a_worker_that_doesnt_end_in_time_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    began = time.monotonic()
    workers = supervised(Deaf(), lambda workers: workers.workers[0].has_served if workers.workers else False, 0.3)
    assert time.monotonic() - began < 10
    assert workers.workers[0].has_ended()
    assert workers.code == 0
    assert "didn't end within 0.3 s and was killed" in caplog.text


def test_when_no_worker_has_ever_served_the_server_gives_up(tmp_path: Path) -> None:
    workers = supervised(Never(tmp_path / "trace"), lambda _: False)
    assert workers.code == 1
    assert (tmp_path / "trace").stat().st_size == 1  # no loop of replacements


def test_pauses_between_tries_grow_up_to_a_bound(caplog: pytest.LogCaptureFixture) -> None:
    with _signals_restored(), ended(1.0, Deaf(), 30.0) as workers:
        worker = workers._begin()
        worker.kill()
        worker.join()
        workers.workers = [worker]
        assert [workers._pause_after(worker) for _ in range(5)] == [1, 2, 4, 5, 5]
        workers._failures = 5000
        assert workers._pause_after(worker) == 5


def test_a_worker_whose_loop_is_stuck_is_killed_and_replaced_and_the_log_says_where_it_stood(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trace = tmp_path / "trace"
    workers = supervised(Stuck(trace), serves(trace, 2), max_silence=1.0)
    assert workers.code == 0
    (told,) = [record.getMessage() for record in caplog.records if "server.worker_timeout" in record.getMessage()]
    assert "time.sleep(60)" in told
    assert "stubborn_work.py" in told


def test_what_a_worker_reports_about_its_application_bounds_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trace = tmp_path / "trace"
    report = WorkerReport("build", ServerConfig(worker_timeout=1.0, shutdown_timeout=3.0))
    workers = supervised(Stuck(trace, report), serves(trace, 2), max_silence=600.0)
    assert workers.workers[0].report == report
    assert workers._patience == 3.0 + GRACE
    assert "server.worker_timeout is 1)" in caplog.text


def test_a_second_signal_ends_everything_at_once(caplog: pytest.LogCaptureFixture) -> None:
    with _signals_restored(), ended(60.0, Deaf(), 30.0) as workers:

        def hurry() -> None:
            while not (workers.workers and workers.workers[0].has_served):
                time.sleep(0.02)
            workers.signal_queue.append(signal.SIGINT)
            while not workers.should_exit.is_set():
                time.sleep(0.02)
            workers.signal_queue.append(signal.SIGINT)

        hurrying = threading.Thread(target=hurry)
        hurrying.start()
        began = time.monotonic()
        workers.run()
        hurrying.join()
    assert time.monotonic() - began < 20
    assert workers.workers[0].has_ended()
    assert workers.code == 130


def test_neither_a_loop_that_ended_nor_a_kill_while_starting_ends_the_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trace = tmp_path / "trace"
    with caplog.at_level(logging.INFO):
        workers = supervised(Mortal(trace), serves(trace, 3))
    assert workers.code == 0
    assert "ended with exit code 4" in caplog.text
    assert "can't start (it was ended by SIGKILL), and no other worker serves; next attempt in 1 s" in caplog.text
    assert caplog.text.count("replaces worker") == 2


def test_a_replacement_that_hangs_while_it_starts_is_killed_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millpond.serve.processes.workers._START_FACTOR", 2)
    trace = tmp_path / "trace"
    workers = supervised(Slow(trace), serves(trace, 3), max_silence=0.2)
    assert workers.code == 0
    # On a busy machine the one that takes its place may be too slow as well, by bounds as short as these.
    told, *_ = [record.getMessage() for record in caplog.records if "it has been starting for" in record.getMessage()]
    assert "time.sleep(60)" in told
    assert "can't start (it was ended by SIGKILL), and no other worker serves; next attempt in 1 s" in caplog.text


def test_what_a_start_may_take_goes_by_the_longest_one(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("x")
    with _signals_restored(), ended(1.0, Slow(trace), 2.0) as workers:
        worker = workers._begin()
        workers.workers = [worker]
        workers._slowest_start = 0.5
        for _ in range(4):
            workers._has_begun(worker, 1.0)
        assert not worker.has_ended()
        workers._has_begun(worker, 1.0)
        assert worker.has_ended()


PARENT = """\
from millpond.serve.processes.workers import Workers
from stubborn_work import Deaf

workers = Workers(Deaf(), [], 1, 0.3, lambda _: print(workers.workers[0].pid, flush=True), 30.0)
workers.run()
"""


def test_a_worker_that_doesnt_hear_ends_soon_after_its_parent() -> None:
    path = {"PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env={**os.environ, **path}) as parent:
        assert parent.stdout is not None
        worker = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    try:
        assert select.select([worker], [], [], SECONDS)[0]  # it has ended
    finally:
        os.close(worker)


def test_only_time_in_which_the_parent_could_hear_counts_as_silence(caplog: pytest.LogCaptureFixture) -> None:
    moments = iter([0.0, 0.5, 600.0, 600.5])
    with _signals_restored():
        workers = Workers(Deaf(), [], 1, 1.0, lambda _: None, 30.0, lambda: next(moments))
        worker = workers._begin()
        workers.workers = [worker]
        while not worker.has_served:
            worker.look()
            time.sleep(0.02)
        os.kill(worker.pid or 0, signal.SIGSTOP)
        os.waitpid(worker.pid or 0, os.WUNTRACED)
        worker.look()  # hears what was said before, and asks what isn't answered
        worker.silent = 0.0
        for _ in range(3):
            workers.keep_alive()
        assert worker.silent == 2.0
        workers._kill_silent(worker)
    assert worker.has_ended()
    assert "unknown: native code holds the interpreter, or the process is stopped" in caplog.text


def test_a_system_that_gives_no_further_process_is_asked_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([0.0, 1.0, 1.5, 2.0])
    with _signals_restored():
        workers = Workers(Deaf(), [], 1, 1.0, lambda _: None, 30.0, lambda: next(moments))
        ended = workers._begin()
        ended.kill()
        ended.join()
        ended.has_served = True
        workers.workers = [ended]

        def refuse(work: object = None) -> None:
            raise BlockingIOError(11, "Resource temporarily unavailable")

        with monkeypatch.context() as patch:
            patch.setattr(workers, "_begin", refuse)
            workers._replace(0, ended)
        workers._replace(0, ended)  # too early
        assert workers.workers == [ended]
        workers._replace(0, ended)
        (new,) = workers.workers
        assert new is not ended
        new.kill()
        new.join()
    assert "can't start a worker: [Errno 11] Resource temporarily unavailable" in caplog.text
