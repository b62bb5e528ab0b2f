"""Structured logs: readable lines on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from millpond.serve.access.access_lines import AccessLines
from millpond.serve.access.access_log import SERVED, write_lines
from millpond.serve.access.line_format import JsonLines, TextLines, json_time, printable, text_time
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
    *,
    buffered: bool = False,
    worker: int | None = None,
) -> None:
    """Send every log record of the process to `stream`, in one format.

    Args:
        format: None is "text" on a terminal and "json" elsewhere.
        level: the lowest level that is logged. Verbose libraries log only warnings, unless it is "debug".
        stream: by default stderr.
        project: collapse traceback frames outside of this folder; only in format "text".
        buffered: write lines of the access log together, but for those on a terminal.
        worker: the process id of a worker, which all of its records have; None: this is none.
    """
    stream = stream or sys.stderr
    wanted = format or ("text" if stream.isatty() else "json")
    handler = _LinesHandler(stream, wanted, at_once=stream.isatty() or not buffered, worker=worker)
    handler.setFormatter(TextFormatter(project) if wanted == "text" else JsonFormatter())
    write_lines(handler.lines)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    quiet = max(root.level, logging.WARNING) if level != "debug" else logging.INFO
    for name in _VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(quiet)
    logging.captureWarnings(True)


class _LinesHandler(logging.StreamHandler["TextIO"]):
    """A handler of records that also writes the lines of the access log which take a shorter way, in their order."""

    def __init__(self, stream: TextIO, format: LogFormat, *, at_once: bool, worker: int | None) -> None:  # noqa: A002 - as above
        super().__init__(stream)
        fields = {} if worker is None else {"worker": worker}
        if fields:
            self.addFilter(_Named(fields))
        lines = TextLines(fields) if format == "text" else JsonLines(fields)
        self.lines = AccessLines(self, lines, at_once=at_once)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.write()
        super().emit(record)

    def flush(self) -> None:
        """Python calls it when the process ends, too."""
        self.lines.write()
        super().flush()


class _Named(logging.Filter):
    """Adds fields to each record."""

    def __init__(self, fields: dict[str, int]) -> None:
        super().__init__()
        self._fields = fields

    def filter(self, record: logging.LogRecord) -> bool:
        record.fields = {**getattr(record, "fields", {}), **self._fields}
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object per record: `time` (UTC, RFC 3339), `level`, `logger`, `message`, the record's `fields`, and
    `exception` with the traceback as text."""

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = {
            "time": json_time(record.created),
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
        from millpond.prerender.failure import failure_message  # imported late: the parent of workers has no use for it

        return failure_message(ei[1], self._project)

    def format(self, record: logging.LogRecord) -> str:
        time = text_time(record.created)
        level = f"{record.levelname.lower():<8} " if record.levelno != logging.INFO else ""
        served: ServedRequest | None = getattr(record, SERVED, None)
        message, fields = record.getMessage(), getattr(record, "fields", {})
        if served is not None:
            message, fields = served.text, {name: fields[name] for name in fields if name not in FIELDS}
        extra = "".join([f" {name}={value}" for name, value in fields.items() if value is not None])
        lines = [f"{time}  {level}{message}{extra}", *_trace(self, record).splitlines()]
        return "\n    ".join(printable(line) for text in lines for line in text.split("\n"))


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = [record.exc_text or (formatter.formatException(record.exc_info) if record.exc_info else "")]
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(part for part in parts if part)
