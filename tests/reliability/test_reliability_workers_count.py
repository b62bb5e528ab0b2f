"""Signals that change how many workers there are, or which; and starts that come to nothing."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stubborn_work import Killed, Limited

from millpond.serve.processes.workers import Workers, _signals_restored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from millpond.serve.processes.worker import Worker, WorkerTask


@contextmanager
def supervisor(work: WorkerTask) -> Iterator[Workers]:
    """The supervisor of one worker, which serves where it can."""
    with _signals_restored():
        workers = Workers(work, [], 1, 20.0, lambda _: None, 30.0)
        try:
            workers._start()
            yield workers
        finally:
            workers.kill_all()


def hear(workers: Workers, number: signal.Signals) -> None:
    workers.signal_queue.append(number)
    workers._act_on_signals()


def test_sigttin_begins_a_worker_and_sigttou_ends_one_and_never_the_last(tmp_path: Path) -> None:
    with supervisor(Limited(tmp_path / "trace", 2)) as workers:
        (first,) = workers.workers
        hear(workers, signal.SIGTTIN)
        _, second = workers.workers
        assert workers._await([second])
        hear(workers, signal.SIGTTOU)
        assert (workers.workers, second.exitcode) == ([first], 0)
        hear(workers, signal.SIGTTOU)
        assert workers.workers == [first]
        assert not first.has_ended()
        workers.keep_alive()
    assert (tmp_path / "trace").stat().st_size == 2


def test_sighup_leaves_a_worker_alone_whose_successor_cant_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with supervisor(Limited(tmp_path / "trace", 1)) as workers:
        (first,) = workers.workers
        hear(workers, signal.SIGHUP)
        assert workers.workers == [first]
        assert not first.has_ended()
    assert f"the new worker can't start; worker {first.pid} and those after it keep running" in caplog.text


def test_where_the_system_gives_no_process_those_that_serve_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(workers: Workers, work: WorkerTask | None = None) -> Worker:
        raise OSError(11, "Resource temporarily unavailable")

    with supervisor(Limited(tmp_path / "trace", 2)) as workers:
        (first,) = workers.workers
        begin = Workers._begin
        monkeypatch.setattr(Workers, "_begin", none_left)
        for number in (signal.SIGTTIN, signal.SIGHUP):
            hear(workers, number)
            assert workers.workers == [first]
        first.kill()
        first.join()
        workers.keep_alive()
        assert workers.workers == [first]
        assert caplog.text.count("can't start a worker: [Errno 11] Resource temporarily unavailable") == 3
        assert first.due > workers._clock()  # it is tried again, and not in a loop
        monkeypatch.setattr(Workers, "_begin", begin)
        monkeypatch.setattr(workers, "_clock", lambda: first.due)
        workers.keep_alive()
        (successor,) = workers.workers
        assert successor is not first
        assert workers._await([successor])


def test_a_first_worker_that_is_killed_before_it_serves_is_told_and_ends_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with supervisor(Killed()) as workers:
        assert workers.should_exit.is_set()
        assert workers.code == 1
        assert f"worker {workers.workers[0].pid} was ended by SIGKILL before it served" in caplog.text


def test_a_signal_that_comes_while_the_first_worker_starts_is_the_first_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with supervisor(Limited(tmp_path / "trace", 1)) as workers:
        workers.signal_queue.append(signal.SIGTERM)
        monkeypatch.setattr(workers, "_start", workers.should_exit.set)  # what it does when a signal has come
        workers.run()
        assert workers.code == 0
        assert all(worker.has_ended() for worker in workers.workers)


def test_two_signals_right_behind_each_other_are_two(tmp_path: Path) -> None:
    with supervisor(Limited(tmp_path / "trace", 1)) as workers:
        workers.signal_queue += [signal.SIGINT, signal.SIGINT]
        workers._act_on_signals()
        assert workers.should_exit.is_set()
        assert workers._is_hurried()
        assert workers.code == 128 + signal.SIGINT
