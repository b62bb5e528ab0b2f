"""The access log: one record of the logger `millpond.access` for each request, or the line that it would become."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from millpond.serve.access.line_format import access
from millpond.serve.access.served_request import ServedRequest
from millpond.serve.prepared import HIT

if TYPE_CHECKING:
    from millpond.serve.access.access_lines import AccessLines
    from millpond.serve.access.asked import Asked
    from millpond.serve.access.line_format import LineParts


SERVED = "served"
"""The attribute of a record that has the ServedRequest."""


def is_logged() -> bool:
    """Whether requests are logged at all; nothing need be known of them otherwise."""
    return access.isEnabledFor(logging.INFO)


_lines: AccessLines | None = None


def write_lines(lines: AccessLines | None) -> None:
    """Write lines instead of making records, as long as nobody else wants these; None: don't."""
    global _lines
    _lines = lines


def log_request(served: ServedRequest) -> None:
    """Log a request that was answered. Ask `is_logged` before."""
    lines = _lines
    if lines is not None and lines.are_heard_alone():
        lines.add(lines.format.line(time.time(), served))
    else:
        _record(served)


class LoggedHit(NamedTuple):
    """How a hit was logged, for the next one of the same request."""

    client: str | None
    status: int
    sent: int
    lines: AccessLines
    parts: LineParts


def log_hit(
    asked: Asked, client: str | None, status: int, sent: int, seconds: float, former: LoggedHit | None
) -> LoggedHit | None:
    """Log a hit, as `log_request` does.

    Args:
        asked: the request, without its client.
        client: the address of the client.
        status: of the answer.
        sent: bytes of its body.
        seconds: how long it took.
        former: what this returned for the same `asked`.
    """
    lines = _lines
    if lines is None or not lines.are_heard_alone():
        _record(ServedRequest(asked._replace(client=client), status, HIT, seconds, sent))
        return None
    if former is None or former[:4] != (client, status, sent, lines):
        parts = lines.format.parts(ServedRequest(asked._replace(client=client), status, HIT, 0.0, sent))
        former = LoggedHit(client, status, sent, lines, parts)
    lines.add(lines.format.joined(time.time(), former.parts, seconds))
    return former


def _record(served: ServedRequest) -> None:
    """Make a record.

    It has the fields of JSON as `fields`, as those of other loggers do. It is made without a look at the stack,
    which would say where this function is.
    """
    extra = {"fields": served.fields, SERVED: served}
    access.handle(
        access.makeRecord(access.name, logging.INFO, __file__, 0, served.message, (), None, "log_request", extra)
    )
