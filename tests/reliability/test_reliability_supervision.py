from __future__ import annotations

import logging
import signal
import time
from typing import TYPE_CHECKING

from stubborn_work import Deaf, Once

from millpond.serve.workers import Workers, _signals_restored

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_worker_that_doesnt_end_in_time_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    with _signals_restored():
        workers = Workers(Deaf(), [], 1, 0.3, lambda: workers.signal_queue.append(signal.SIGTERM))
        began = time.monotonic()
        workers.run()
    assert time.monotonic() - began < 10
    assert workers.workers[0].has_ended()
    assert not workers.failed
    assert "didn't end within 0.3 s and was killed" in caplog.text


def test_when_no_worker_is_left_and_none_can_start_the_server_gives_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trace = tmp_path / "trace"
    with caplog.at_level(logging.WARNING), _signals_restored():
        workers = Workers(Once(trace), [], 1, 1.0, lambda: None)
        workers.run()
    assert workers.failed
    assert trace.stat().st_size == 2  # no loop of replacements
    assert "can't start (it ended with exit code 3)" in caplog.text
