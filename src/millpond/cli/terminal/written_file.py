"""A file that a command writes where it was told to."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from millpond.config.ownership import whose
from millpond.errors import CommandError


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: readers find the former one, or this one.

    What isn't a file, such as /dev/stdout or a pipe, is written to as it is.

    Args:
        path: absolute. A link stays one, and what it leads to is written.
        content: all of it.

    Raises:
        CommandError: it can't be written.
    """
    try:
        if path.is_dir():
            raise CommandError(f"{path} is a folder; name a file in it.")
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            _replace(Path(os.path.realpath(path)), content)
    except OSError as error:
        raise CommandError(f"{path} can't be written: {_reason(path, error)}") from None


def _reason(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and not path.parent.is_dir():
        return f"there is no folder {path.parent}; make it first."
    return f"{error.strerror}.{whose(path.parent) if isinstance(error, PermissionError) else ''}"


def _replace(target: Path, content: bytes) -> None:
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        beside.write_bytes(content)
        if target.exists():
            beside.chmod(target.stat().st_mode & 0o7777)
        os.replace(beside, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()
