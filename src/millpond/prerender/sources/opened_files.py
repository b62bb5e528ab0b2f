"""The files that are opened for reading while a build runs, whoever opens them: templates are opened by a library."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from millpond.observe.files import is_read

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class OpenedFiles:
    """Absolute paths."""

    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    """Those that were opened for writing, too."""


_opened: OpenedFiles | None = None
_hooked = False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is None or event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
        return
    path = os.path.abspath(os.fsdecode(arguments[0]))
    (_opened.read if is_read(arguments) else _opened.written).add(path)


@contextlib.contextmanager
def opened_files() -> Iterator[OpenedFiles]:
    """Record within the block; within another such block, this is the record of that one.

    An audit hook can't be taken away again, so there is one, and it records only for a while.
    """
    global _opened, _hooked
    if _opened is not None:
        yield _opened
        return
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    _opened = recorded = OpenedFiles()
    try:
        yield recorded
    finally:
        _opened = None
