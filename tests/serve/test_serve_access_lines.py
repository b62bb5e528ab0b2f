"""Lines of the access log that take the short way: the same text as the records', written together and whole."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import random
import sys
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from long_form import times
from millpond.policy.decision import Action, Decision, Reason
from millpond.serve.access import access_lines, access_log
from millpond.serve.access.access_log import log_hit, log_request, write_lines
from millpond.serve.access.asked import Asked, shown
from millpond.serve.access.line_format import JsonLines, TextLines, access
from millpond.serve.access.served_request import ServedRequest
from millpond.serve.logs import JsonFormatter, TextFormatter, configure_logs
from millpond.serve.prepared import HIT
from started_server import free_port, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from millpond.serve.logs import LogFormat

ASKED = Asked("GET", "/a", None, "curl/8", None)
SERVED = ServedRequest(ASKED, 200, HIT, 0.001, 10)
CREATED = 1_800_000_000.25


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    names = (root, access, logging.getLogger("millpond"))
    former = [([*each.handlers], each.level, each.propagate) for each in names]
    yield
    for each, (handlers, level, propagate) in zip(names, former, strict=True):
        each.handlers[:], each.level, each.propagate = handlers, level, propagate
        each.filters.clear()
    write_lines(None)
    logging.captureWarnings(False)


def configured(stream: Any, format_: LogFormat = "json", *, buffered: bool = True) -> None:
    configure_logs(format_, "info", stream, buffered=buffered)


def some(seed: int) -> ServedRequest:
    chance = random.Random(seed)
    sent = ["/a", "/é ü", '/"quoted" \\', "/a\x1b[2J", "/\ud800", '/"milliseconds":0.0,', "/    0.00 ms"]
    text = [shown(each, 100) for each in sent]
    asked = Asked(
        chance.choice(["GET", "HEAD", ""]),
        chance.choice(text),
        chance.choice([None, "127.0.0.1", "2001:db8::1"]),
        chance.choice([None, *text]),
        chance.choice([None, "id-1"]),
    )
    decision = chance.choice([None, HIT, Decision(Action.MISS, Reason.COLD)])
    seconds = chance.choice([None, 0.0, 1e-9, 0.000_004_999, 0.012_345, 1.005, 86_400.0, chance.random()])
    served = ServedRequest(asked, chance.choice([200, 404, 499]), decision, seconds, chance.randrange(10**6))
    return served._replace(is_complete=chance.random() < 0.8, origin=chance.choice([None, None, "fetch"]))


def test_a_line_is_what_the_record_would_have_become() -> None:
    for seed in range(times(300, 100_000)):
        served = some(seed)
        record = logging.makeLogRecord(
            {"name": access.name, "levelno": logging.INFO, "levelname": "INFO", "msg": served.message, "args": ()}
            | {"created": CREATED, "fields": served.fields, access_log.SERVED: served}
        )
        record.__dict__["fields"]["worker"] = 17
        worker = {"worker": 17}
        for lines, formatter in ((JsonLines(worker), JsonFormatter()), (TextLines(worker), TextFormatter())):
            assert lines.line(CREATED, served) == formatter.format(record)
            if served.seconds is not None:
                assert lines.joined(CREATED, lines.parts(served), served.seconds) == formatter.format(record)


async def waited() -> None:
    await asyncio.sleep(access_lines.FLUSH_SECONDS * 3)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_lines, "FLUSH_SECONDS", 0.02)


@pytest.mark.anyio
@pytest.mark.usefixtures("soon")
async def test_lines_are_written_together_and_soon() -> None:
    stream = io.StringIO()
    configured(stream)
    known = None
    for _ in range(3):
        log_request(SERVED)
        known = log_hit(ASKED, "127.0.0.1", 200, 10, 0.001, known)
    assert stream.getvalue() == ""
    await waited()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["client"] for line in lines] == [None, "127.0.0.1"] * 3
    log_request(SERVED)
    await waited()
    assert len(stream.getvalue().splitlines()) == 7


@pytest.mark.anyio
async def test_many_lines_are_written_before_their_time() -> None:
    stream = io.StringIO()
    configured(stream)
    for _ in range(1000):
        log_request(SERVED)
    written = len(stream.getvalue().splitlines())
    assert 700 < written < 1000


@pytest.mark.anyio
async def test_other_records_come_behind_the_lines_before_them_and_the_rest_when_the_process_ends() -> None:
    stream = io.StringIO()
    configured(stream, "text")
    log_request(SERVED)
    logging.getLogger("millpond.serve").error("broken")
    log_request(SERVED)
    assert ["broken" in line for line in stream.getvalue().splitlines()] == [False, True]
    logging.getLogger().handlers[0].flush()  # as logging.shutdown does
    assert ["broken" in line for line in stream.getvalue().splitlines()] == [False, True, False]


@pytest.mark.parametrize("buffered", [True, False])
def test_without_an_event_loop_or_buffer_each_line_is_written_at_once(buffered: bool) -> None:
    stream = io.StringIO()
    configured(stream, buffered=buffered)
    log_request(SERVED)
    assert len(stream.getvalue().splitlines()) == 1


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.mark.parametrize("name", [None, "millpond", "millpond.access"])
def test_a_handler_of_the_projects_gets_records(name: str | None) -> None:
    stream, kept = io.StringIO(), Kept()
    configured(stream)
    logging.getLogger(name).addHandler(kept)
    log_request(SERVED)
    log_hit(ASKED, None, 200, 10, 0.001, None)
    assert [record.__dict__[access_log.SERVED].status for record in kept.records] == [200, 200]
    assert len(stream.getvalue().splitlines()) == 2


def test_filters_and_factories_of_the_projects_see_records(monkeypatch: pytest.MonkeyPatch) -> None:
    configured(io.StringIO())
    made: list[str] = []

    def seen(record: logging.LogRecord) -> bool:
        made.append(f"filtered {record.name}")
        return True

    access.addFilter(seen)
    log_request(SERVED)
    access.removeFilter(seen)

    class Record(logging.LogRecord):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            made.append("record")
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(logging, "_logRecordFactory", Record)
    log_request(SERVED)
    assert made == ["filtered millpond.access", "record"]


def test_whoever_listens_to_all_loggers_gets_records(monkeypatch: pytest.MonkeyPatch) -> None:
    configured(io.StringIO())
    heard: list[str] = []
    own = logging.Logger.callHandlers

    def listening(self: logging.Logger, record: logging.LogRecord) -> None:
        heard.append(record.getMessage())
        own(self, record)

    monkeypatch.setattr(logging.Logger, "callHandlers", listening)
    log_request(SERVED)
    assert heard == ["GET /a 200"]


def test_pieces_for_a_pipe_are_whole_lines_that_it_takes_at_once() -> None:
    reading, writing = os.pipe()
    written: list[int] = []

    class Pipe(io.TextIOWrapper):
        def write(self, text: str) -> int:
            written.append(len(text))
            assert text.endswith("\n")
            return super().write(text)

    with Pipe(open(writing, "wb"), "utf-8") as stream:
        configured(stream)

        async def many() -> None:
            for _ in range(80):
                log_request(SERVED)
            logging.getLogger().handlers[0].flush()

        asyncio.run(many())
    with open(reading, encoding="utf-8") as read:
        assert len([json.loads(line) for line in read]) == 80
    assert len(written) > 2
    assert max(written) <= 4096


@pytest.mark.anyio
async def test_a_stream_that_takes_no_lines_is_reported_as_logging_does(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    configured(stream)
    log_request(SERVED)
    stream.close()
    assert access_log._lines is not None
    access_log._lines.write()
    assert "1 lines can't be written" in capsys.readouterr().err
    configured(io.StringIO())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_forked_process_writes_no_line_of_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "log"

    async def fork() -> None:
        log_request(SERVED)
        child = os.fork()
        logging.getLogger().handlers[0].flush()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)  # noqa: ASYNC222 - it is quick

    with path.open("w", encoding="utf-8") as stream:
        configured(stream)
        asyncio.run(fork())
    assert len(path.read_text("utf-8").splitlines()) == 1


def test_after_sigterm_no_line_is_missing(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "from millpond import Millpond\napp = Millpond()\n@app.get('/a')\ndef a(): return 1\n", "utf-8"
    )
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-m", "millpond", "start", "--port", str(port)]
    with started(command, port, log, tmp_path), httpx2.Client(trust_env=False, timeout=30) as client:
        for _ in range(20):
            client.get(f"http://127.0.0.1:{port}/a")
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [line["status"] for line in lines if line["logger"] == access.name] == [200] * 20
