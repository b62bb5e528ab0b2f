"""`.env` files: variables for what a command runs. They never replace those of the environment."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import stat
from typing import TYPE_CHECKING

from millpond.config.ownership import READ, whose
from millpond.errors import ConfigError, Place
from millpond.messages import at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

ENV_FILES = (".env", ".env.local")
"""The default of `[app] env_files`."""

_PARSER = "dotenv.main"
"""The logger to which python-dotenv reports the lines that it can't read."""

_read: dict[str, str] = {}
"""The variables that files have set in this process."""


def read_env_files(folder: Path, names: Sequence[str]) -> list[str]:
    """Set the variables of the files that exist, and return a warning for each line that can't be read.

    A variable of the environment stays as it is, and of several files the last one counts. A value may refer to
    variables of the environment, of its own file and of later files: `${NAME}` or `${NAME:-default}`.

    Args:
        folder: the project's; `names` are relative to it.
        names: the files.

    Raises:
        ConfigError: a file can't be read.
    """
    before, notes = dict(os.environ), list[str]()
    try:
        for name in reversed(names):
            notes = [*_read_file(folder / name, name), *notes]
    finally:
        _read.update((name, value) for name, value in os.environ.items() if name not in before)
    return notes


@contextlib.contextmanager
def env_files_read(folder: Path, names: Sequence[str]) -> Iterator[None]:
    """Within the block, the variables of the files are set; processes that start later read the files themselves."""
    before = dict(_read)
    try:
        read_env_files(folder, names)
        yield
    finally:
        _drop([name for name in _read if name not in before])


def forget_env_files() -> None:
    """Remove what files have set in this process, unless it was changed since."""
    _drop(list(_read))


def _drop(names: Sequence[str]) -> None:
    for name in names:
        if _read.pop(name) == os.environ.get(name):
            del os.environ[name]


def _read_file(path: Path, name: str) -> list[str]:
    try:
        if stat.S_ISDIR(path.stat().st_mode):  # a virtual environment may be called .env
            return []
        text = path.read_text("utf-8-sig")  # editors on Windows begin files with a BOM
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}.{whose(path, needed=READ)}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{Place(name, line)}: this isn't UTF-8; save {path} in UTF-8.") from None
    # Imported late: few projects have such a file.
    from dotenv import dotenv_values, load_dotenv

    with _unread_lines() as unread:
        values = dotenv_values(stream=io.StringIO(text), interpolate=False)
    try:
        with _unread_lines():
            load_dotenv(stream=io.StringIO(text), override=False)
    except ValueError as error:  # the system has no variables with such a name or value: a NUL, for example
        raise ConfigError(f"{path} has a variable that can't be set: {error}.") from None
    # Neither a name nor a value is shown: what has no "=" may be a secret in a wrong place.
    notes = [(_begun(line, text), "this can't be read as NAME=value, so it is ignored.") for line in unread]
    notes += [
        (_line_of(each, text), 'there is no "=" here, so nothing is set; write NAME= for an empty value.')
        for each, value in values.items()
        if value is None
    ]
    return [f"{at(Place(name, line))}{note}" for line, note in sorted(notes, key=lambda found: found[0] or 0)]


def _begun(line: int | None, text: str) -> int | None:
    """The line of a statement's first character: python-dotenv counts the empty lines before it as a part of it."""
    lines = enumerate(text.splitlines(), 1)
    return next((number for number, each in lines if line is not None and number >= line and each.strip()), line)


def _line_of(name: str, text: str) -> int | None:
    bare = re.compile(rf"\s*(?:export\s+)?['\"]?{re.escape(name)}['\"]?\s*(?:#.*)?")
    lines = enumerate(text.splitlines(), 1)
    return next((number for number, line in lines if bare.fullmatch(line)), None)


@contextlib.contextmanager
def _unread_lines() -> Iterator[list[int | None]]:
    """The lines that python-dotenv reports within the block, which it only logs."""
    found: list[int | None] = []

    def keep(record: logging.LogRecord) -> bool:
        line = record.args[0] if isinstance(record.args, tuple) and record.args else None
        found.append(line if isinstance(line, int) else None)
        return False

    log = logging.getLogger(_PARSER)
    level, disabled = log.level, log.disabled
    log.setLevel(logging.WARNING)
    log.disabled = False
    log.addFilter(keep)
    try:
        yield found
    finally:
        log.removeFilter(keep)
        log.setLevel(level)
        log.disabled = disabled
