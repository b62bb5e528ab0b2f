"""Lines of access logs: Millpond's own, as JSON and as text, and the common and combined ones of nginx and Apache."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from millpond.policy.request.path_spelling import encoded

_TEXT = re.compile(
    r"\d\d:\d\d:\d\d {1,4}\S+ {1,40}(?P<status>\d{3}) {1,12}(?:-|[\d.]+) ms {1,12}\d+ B {1,4}(?P<cache>\S+) {1,9}"
    r"(?P<method>[A-Z-]+) (?P<path>\S+)"
)
_REQUEST = re.compile(r"(?P<method>[A-Z]{1,32}) (?P<target>\S+)(?: HTTP/[\d.]{1,8})?")
_STATUS = re.compile(r" (\d{3})\b")
USER_AGENT = "millpond-warm"
"""What requests of a warming have."""
_UNCACHED = ("LIVE", "BYPASS")
_CUT = "…"


class LoggedRequest(NamedTuple):
    """What a line says of a request."""

    method: str
    target: str | None
    """The path as it was sent, perhaps with a query; None where the log has cut it off."""
    status: int
    is_live: bool = False
    """Whether the log says that no cache has answered."""


class _JsonLine(msgspec.Struct):
    method: str | None
    path: str | None
    status: int
    cache: str | None = None
    origin: str | None = None
    user_agent: str | None = None


_JSON = msgspec.json.Decoder(_JsonLine)


def logged_request(line: str) -> LoggedRequest | None:
    """What a line of an access log says; None if it is none, or tells of no visitor's request."""
    if line.startswith("{"):
        return _of_json(line)
    if f'"{USER_AGENT}' in line:  # what was warmed would be warmed for ever
        return None
    found = _TEXT.match(line)
    if found is not None:
        path = found["path"].replace("%20", " ").replace("%22", '"')  # what the format writes for them
        return LoggedRequest(found["method"], _sent(path), int(found["status"]), found["cache"] in _UNCACHED)
    before, quote, rest = line.partition('"')
    request, closing, after = rest.partition('"')
    found, status = _REQUEST.fullmatch(request), _STATUS.match(after)
    if not (quote and closing and before.rstrip().endswith("]")) or found is None or status is None:
        return None
    return LoggedRequest(found["method"], found["target"], int(status[1]))


def _of_json(line: str) -> LoggedRequest | None:
    try:
        told = _JSON.decode(line)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    if told.method is None or told.path is None or told.origin is not None:
        return None
    if (told.user_agent or "").startswith(USER_AGENT):
        return None
    return LoggedRequest(told.method, _sent(told.path), told.status, told.cache in _UNCACHED)


def _sent(path: str) -> str | None:
    """A decoded path, encoded."""
    if path.endswith(_CUT):
        return None
    try:
        return encoded(path).decode("ascii")
    except UnicodeEncodeError:  # a lone surrogate, of an escape in JSON
        return None
