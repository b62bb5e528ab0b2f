"""Lines of the access log, put together by hand: they are what the formatters of `serve/logs.py` make of a record."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millpond.serve.access.served_request import ServedRequest

access = logging.getLogger("millpond.access")

_JSON_TIME = len('{"time":"2026-01-01T00:00:00.000Z')
_NO_TIME = '"milliseconds":0.0,'
"""In a line of JSON it stands once: what a client has sent has its quotes escaped."""


class LineParts(NamedTuple):
    """A line without its time and duration: the same for each hit of one client that sends the same request."""

    before: str
    after: str


class LineFormat(Protocol):
    """How lines look."""

    def line(self, created: float, served: ServedRequest) -> str:
        """A line that was created at a time, in seconds since the epoch."""

    def parts(self, served: ServedRequest) -> LineParts:
        """What is the same in all lines of requests that differ in their time and duration alone."""

    def joined(self, created: float, parts: LineParts, seconds: float) -> str:
        """A line of its parts, a time and a duration."""


class JsonLines:
    """One JSON object per line.

    Args:
        fields: what each line has besides.
    """

    def __init__(self, fields: Mapping[str, int]) -> None:
        self._fields = fields

    def line(self, created: float, served: ServedRequest) -> str:
        facts = {
            "time": json_time(created),
            "level": "info",
            "logger": access.name,
            "message": served.message,
            **served.fields,
            **self._fields,
        }
        return msgspec.json.encode(facts).decode("utf-8", "replace")

    def parts(self, served: ServedRequest) -> LineParts:
        before, _, after = self.line(0, served._replace(seconds=0.0)).partition(_NO_TIME)
        return LineParts(f"{before[_JSON_TIME:]}{_NO_TIME[:-4]}", f",{after}")

    def joined(self, created: float, parts: LineParts, seconds: float) -> str:
        return f'{{"time":"{json_time(created)}{parts.before}{round(seconds * 1000, 2)}{parts.after}'


class TextLines:
    """One line for people; `fields` as for JSON."""

    def __init__(self, fields: Mapping[str, int]) -> None:
        self._more = "".join(f" {name}={value}" for name, value in fields.items())

    def line(self, created: float, served: ServedRequest) -> str:
        return f"{text_time(created)}  {printable(served.text)}{self._more}"

    def parts(self, served: ServedRequest) -> LineParts:
        before, _, after = printable(served._replace(seconds=0.0).text).partition("    0.00 ms")
        return LineParts(before, f" ms{after}{self._more}")

    def joined(self, created: float, parts: LineParts, seconds: float) -> str:
        return f"{text_time(created)}  {parts.before}{seconds * 1000:8.2f}{parts.after}"


def json_time(created: float) -> str:
    """UTC, as RFC 3339 has it, with milliseconds."""
    return f"{_utc(int(created))}.{int(created % 1 * 1000):03}Z"


def text_time(created: float) -> str:
    """The local time of day."""
    return _local(int(created))


def printable(text: str) -> str:
    """The text with control characters escaped, so that they can't control the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)


@lru_cache(maxsize=4)
def _utc(second: int) -> str:
    """A time without its zone; most lines are of the same second as the one before."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=4)
def _local(second: int) -> str:
    return datetime.fromtimestamp(second).astimezone().strftime("%H:%M:%S")
