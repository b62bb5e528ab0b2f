"""Command lines of `millpond start` that can be read without cyclopts, whose import takes a sixth of a start.

Only what has one meaning is read here: an option's full name, and a plain value after it. All else, mistakes and
`--help` included, is for the command itself, which says what the options are. Tests compare both.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millpond.cli.listening.listening_place import MAX_PORT, ListeningPlace
from millpond.config.app_config import Entrypoint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from millpond.cli.serving.serve_line import StartLine

MOST_WORKERS = 1024
MOST_WARMED = 100_000
_TEXT = re.compile(r"[A-Za-z0-9_./:*,\[\]][A-Za-z0-9_./:*,\[\]@+=-]*")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
_NOTHING = {"none", "null"}
"""Words that cyclopts takes for no value."""


class _NotPlain(Exception):
    """Something needs to be read by cyclopts."""


def _text(value: str) -> str:
    if _TEXT.fullmatch(value) is None or value.lower() in _NOTHING:
        raise _NotPlain
    return value


def _path(value: str) -> Path:
    return Path(_text(value))


def _number(least: int, most: int) -> Callable[[str], int]:
    def number(value: str) -> int:
        if _NUMBER.fullmatch(value) is None or not least <= int(value) <= most:
            raise _NotPlain
        return int(value)

    return number


def _one_of(*choices: str) -> Callable[[str], str]:
    def chosen(value: str) -> str:
        if value not in choices:
            raise _NotPlain
        return value

    return chosen


_OF_APPLICATION: dict[str, Callable[[str], Any]] = {"--app": _text, "--dir": _path}
_OF_PLACE: dict[str, Callable[[str], Any]] = {
    "--host": _text,
    "--port": _number(0, MAX_PORT),
    "--uds": _path,
    "--ssl-certfile": _path,
    "--ssl-keyfile": _path,
}
_OF_SERVER: dict[str, Callable[[str], Any]] = {
    "--workers": _number(1, MOST_WORKERS),
    "--log-format": _one_of("text", "json"),
    "--log-level": _one_of("debug", "info", "warning", "error"),
    "--server": _one_of("socket", "asgi"),
    "--forwarded-allow-ips": _text,
    "--warm": _number(0, MOST_WARMED),
}
_FLAGS = {
    "--access-log": ("access_log", True),
    "--no-access-log": ("access_log", False),
    "--proxy-headers": ("proxy_headers", True),
    "--factory": ("factory", True),
}


def plain_start(arguments: Sequence[str]) -> StartLine | None:
    """What a command line says, if it is a plain one of `millpond start`; else None.

    Args:
        arguments: of the process, without its name.
    """
    if not arguments or arguments[0] != "start":
        return None
    try:
        found = _read(list(arguments[1:]))
        return _line(found)
    except _NotPlain:
        return None


def _read(words: list[str]) -> dict[str, Any]:
    """The values by their parameters."""
    found: dict[str, Any] = {}
    value: Any
    values = {**_OF_APPLICATION, **_OF_PLACE, **_OF_SERVER}
    while words:
        word = words.pop(0)
        if word in _FLAGS:
            name, value = _FLAGS[word]
        elif word in values and words:
            name, value = word[2:].replace("-", "_"), values[word](words.pop(0))
        elif not word.startswith("-"):
            name, value = "app", _text(word)
        else:
            raise _NotPlain
        if name in found:
            raise _NotPlain
        found[name] = value
    return found


def _line(found: dict[str, Any]) -> StartLine:
    from millpond.cli.serving.serve_line import StartLine  # imported late: nothing else needs what serves

    folder, app = found.pop("dir", Path()).absolute(), found.pop("app", None)
    entrypoint = Entrypoint(folder, app, found.pop("factory", False))
    names = [name[2:].replace("-", "_") for name in _OF_PLACE]
    place = ListeningPlace(**{name: found.pop(name) for name in names if name in found})
    return StartLine(entrypoint=entrypoint, place=place, **found)
