"""Where something is written in the project's files, for what has no place of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_MAX_BYTES = 1024 * 1024
_INVALIDATING = ("revalidate_tag(", "update_tag(")
_CONFIGS = ("millpond.toml", "pyproject.toml")


class SourceLines:
    """The lines of some files of a project.

    Args:
        project: its folder.
        files: relative to it; those that can't be read have no lines.
    """

    def __init__(self, project: Path, files: Iterable[str]) -> None:
        self._project, self._files = project, list(dict.fromkeys(files))
        self._lines: dict[str, list[str]] = {}

    def quoted(self, text: str) -> str:
        """The first place of a string literal; "" where there is none."""
        return self._first((f'"{text}"', f"'{text}'"), ())

    def given(self, tag: str) -> str:
        """The first place where something is given a tag, or one of its family; "" where there is none."""
        family, colon, _ = tag.partition(":")
        begins = (f'"{family}:', f"'{family}:") if colon else ()
        return self._first((f'"{tag}"', f"'{tag}'", *begins), _INVALIDATING)

    def _first(self, wanted: Sequence[str], without: Sequence[str]) -> str:
        for file in self._files:
            for number, line in enumerate(self._of(file), 1):
                if any(each in line for each in wanted) and not any(each in line for each in without):
                    return f"{file}:{number}"
        return ""

    def table(self, header: str, containing: str = "") -> str:
        """The place of a table of the configuration; the line in it that has a text, if one is wanted.

        Args:
            header: such as "[cache]" or "[[cron]]"; in pyproject.toml below `tool.millpond`.
            containing: a part of a line of the table.
        """
        for file in _CONFIGS:
            found = _table_line(self._of(file), header, containing)
            if found is not None:
                return f"{file}:{found}"
        return _CONFIGS[0]

    def _of(self, file: str) -> list[str]:
        if file not in self._lines:
            path = self._project / file
            try:
                is_small = path.stat().st_size <= _MAX_BYTES
                self._lines[file] = path.read_text("utf-8", "replace").splitlines() if is_small else []
            except OSError:
                self._lines[file] = []
        return self._lines[file]


def _table_line(lines: list[str], header: str, containing: str) -> int | None:
    brackets, name = header[: header.count("[")], header.strip("[]")
    wanted = re.compile(rf"\s*{re.escape(brackets)}(?:tool\.millpond\.)?{re.escape(name)}\]")
    begun: int | None = None
    for number, line in enumerate(lines, 1):
        if wanted.match(line):
            begun = number
        elif line.lstrip().startswith("["):
            begun = None
        if begun is not None and (not containing or containing in line):
            return number
    return None
