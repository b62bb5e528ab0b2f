from __future__ import annotations

import io
import json
import logging
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from millpond.serve.logs import JsonFormatter, LogFormat, TextFormatter, configure_logs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """A stream to configure; the process's logging is as before afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    names = ("asyncio", "httpcore2", "httpx2", "uvicorn", "watchfiles")
    levels = {name: logging.getLogger(name).level for name in names}
    yield io.StringIO()
    root.handlers[:], root.level = handlers, level
    for name, former in levels.items():
        logging.getLogger(name).setLevel(former)
    logging.captureWarnings(False)


def record(message: str, *args: object, level: int = logging.INFO, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("millpond.access", level, __file__, 1, message, args, more.pop("exc_info", None))
    made.__dict__.update(more)
    return made


def as_json(made: logging.LogRecord) -> dict[str, Any]:
    line = JsonFormatter().format(made)
    assert "\n" not in line
    facts: dict[str, Any] = json.loads(line)
    return facts


def raised() -> Any:
    try:
        raise ValueError("no such thing")
    except ValueError as error:
        return (ValueError, error, error.__traceback__)


def test_json_has_the_time_in_utc_the_level_the_logger_and_the_message() -> None:
    made = record("%s rendered", "/x", level=logging.WARNING)
    made.created = 1_800_000_000.25
    assert as_json(made) == {
        "time": "2027-01-15T08:00:00.250Z",
        "level": "warning",
        "logger": "millpond.access",
        "message": "/x rendered",
    }


def test_json_has_the_fields_of_a_record_beside_its_message() -> None:
    facts = as_json(record("GET /x 200", fields={"path": "/x", "status": 200, "reason": None}))
    assert (facts["path"], facts["status"], facts["reason"]) == ("/x", 200, None)


def test_a_field_never_replaces_what_every_record_has() -> None:
    assert as_json(record("real", fields={"message": "forged"}))["message"] == "real"


def test_json_has_an_exception_as_one_text() -> None:
    trace = as_json(record("failed", exc_info=raised()))["exception"]
    assert trace.startswith("Traceback")
    assert trace.endswith("ValueError: no such thing")


def test_json_takes_fields_of_any_type() -> None:
    assert as_json(record("x", fields={"odd": range(3)}))["odd"] == "range(0, 3)"


def test_text_says_the_level_of_what_is_out_of_the_ordinary() -> None:
    assert TextFormatter().format(record("fine"))[8:] == "  fine"
    assert TextFormatter().format(record("odd", level=logging.WARNING))[8:] == "  warning  odd"


def test_text_adds_the_fields_of_a_record() -> None:
    fields = {"status": 200, "cache": "HIT", "reason": None}
    assert TextFormatter().format(record("GET /x", fields=fields)).endswith("  GET /x status=200 cache=HIT")


def test_what_a_client_sends_cannot_begin_a_line_of_its_own_nor_move_the_cursor() -> None:
    lines = TextFormatter().format(record("GET %s", "/x\n12:00:00  error    forged\r\x1b[2J")).split("\n")
    assert lines[1] == "    12:00:00  error    forged\\r\\x1b[2J"


def test_text_indents_a_traceback() -> None:
    lines = TextFormatter().format(record("failed", exc_info=raised())).splitlines()
    assert lines[1] == "    Traceback (most recent call last):"
    assert lines[-1] == "    ValueError: no such thing"


def test_text_folds_the_frames_outside_of_a_project(tmp_path: Path) -> None:
    text = TextFormatter(tmp_path).format(record("failed", exc_info=raised()))
    assert "test_serve_logs.py" not in text
    assert "… 1 frame of" in text


@pytest.mark.parametrize(("format", "json_lines"), [(None, True), ("json", True), ("text", False)])
def test_without_a_terminal_lines_are_json_unless_told_otherwise(
    stream: io.StringIO,
    format: LogFormat | None,  # noqa: A002
    json_lines: bool,
) -> None:
    configure_logs(format, "info", stream)
    logging.getLogger("shop").info("sold")
    assert stream.getvalue().startswith("{") is json_lines


def test_on_a_terminal_lines_are_text(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "isatty", lambda: True)
    configure_logs(None, "info", stream)
    logging.getLogger("shop").info("sold")
    assert stream.getvalue().endswith("  sold\n")


def test_the_level_leaves_out_what_is_less_important(stream: io.StringIO) -> None:
    configure_logs("text", "warning", stream)
    logging.getLogger("shop").info("ordinary")
    assert not logging.getLogger("millpond.access").isEnabledFor(logging.INFO)
    assert stream.getvalue() == ""


def test_the_steps_of_libraries_are_told_at_debug_only(stream: io.StringIO) -> None:
    configure_logs("text", "info", stream)
    logging.getLogger("uvicorn.error").info("Started server process")
    assert stream.getvalue() == ""
    configure_logs("text", "debug", stream)
    logging.getLogger("uvicorn.error").info("Started server process")
    assert "Started server process" in stream.getvalue()


def test_warnings_of_python_are_log_records(stream: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure_logs("json", "info", stream)
        warnings.warn("deprecated", UserWarning, stacklevel=1)
        logging.captureWarnings(False)
    assert json.loads(stream.getvalue())["logger"] == "py.warnings"


def test_configuring_twice_does_not_repeat_lines(stream: io.StringIO) -> None:
    for _ in range(2):
        configure_logs("text", "info", stream)
    logging.getLogger("shop").info("sold")
    assert stream.getvalue().count("sold") == 1


def test_a_stack_that_was_asked_for_is_part_of_the_trace() -> None:
    asked = record("where", exc_info=raised(), stack_info="Stack (most recent call last):\n  here")
    trace = as_json(asked)["exception"].splitlines()
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[-2:] == ["Stack (most recent call last):", "  here"]
    assert TextFormatter().format(asked).splitlines()[-1] == "      here"
