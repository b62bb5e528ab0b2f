"""Structured logs: readable lines on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from millpond.prerender.failure import failure_message
from millpond.serve.access.access_log import SERVED
from millpond.serve.access.served_request import FIELDS

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import TextIO

    from millpond.serve.access.served_request import ServedRequest

    _ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]

_VERBOSE_LOGGERS = ("asyncio", "httpcore2", "httpx2", "uvicorn", "watchfiles")
"""Loggers of libraries that log every step at level "info"."""


def configure_logs(
    format: LogFormat | None,  # noqa: A002 - the option's name
    level: LogLevel,
    stream: TextIO | None = None,
    project: Path | None = None,
) -> None:
    """Send every log record of the process to `stream`, in one format.

    Args:
        format: None is "text" on a terminal and "json" elsewhere.
        level: the lowest level that is logged. Verbose libraries log only warnings, unless it is "debug".
        stream: by default stderr.
        project: collapse traceback frames outside of this folder; only in format "text".
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    wanted = format or ("text" if stream.isatty() else "json")
    handler.setFormatter(TextFormatter(project) if wanted == "text" else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    quiet = max(root.level, logging.WARNING) if level != "debug" else logging.INFO
    for name in _VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(quiet)
    logging.captureWarnings(True)


class JsonFormatter(logging.Formatter):
    """One JSON object per record: `time` (UTC, RFC 3339), `level`, `logger`, `message`, the record's `fields`, and
    `exception` with the traceback as text."""

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = {
            "time": f"{_utc(int(record.created))}.{int(record.created % 1 * 1000):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        facts = {**facts, **getattr(record, "fields", {}), **facts}
        trace = _trace(self, record)
        if trace:
            facts["exception"] = trace
        return msgspec.json.encode(facts, enc_hook=repr).decode("utf-8", "replace")


class TextFormatter(logging.Formatter):
    """`07:14:04 warning  message`: local time, and no level for "info".

    Only the first line of a record begins with a time, so that a client's input can't look like a record.
    """

    def __init__(self, project: Path | None = None) -> None:
        super().__init__()
        self._project = project

    def formatException(self, ei: _ExcInfo) -> str:
        if self._project is None or ei[1] is None:
            return super().formatException(ei)
        return failure_message(ei[1], self._project)

    def format(self, record: logging.LogRecord) -> str:
        time = _local(int(record.created))
        level = f"{record.levelname.lower():<8} " if record.levelno != logging.INFO else ""
        served: ServedRequest | None = getattr(record, SERVED, None)
        message, fields = record.getMessage(), getattr(record, "fields", {})
        if served is not None:
            message, fields = served.text, {name: fields[name] for name in fields if name not in FIELDS}
        extra = "".join([f" {name}={value}" for name, value in fields.items() if value is not None])
        lines = [f"{time}  {level}{message}{extra}", *_trace(self, record).splitlines()]
        return "\n    ".join(_printable(line) for text in lines for line in text.split("\n"))


@lru_cache(maxsize=4)
def _utc(second: int) -> str:
    """A time without its zone; most records are of the same second as the one before."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=4)
def _local(second: int) -> str:
    return datetime.fromtimestamp(second).astimezone().strftime("%H:%M:%S")


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = [record.exc_text or (formatter.formatException(record.exc_info) if record.exc_info else "")]
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(part for part in parts if part)


def _printable(text: str) -> str:
    """The text with control characters escaped, so that they can't control the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)
