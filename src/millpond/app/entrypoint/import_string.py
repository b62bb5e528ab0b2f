"""MODULE:APP, as uvicorn and FastAPI's command line take it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_WITH_ATTRIBUTE = re.compile(rf"{_DOTTED}:{_DOTTED}")
_MODULE = re.compile(_DOTTED)


@dataclass(frozen=True, slots=True)
class ImportString:
    """Where an application is."""

    module: str
    attribute: str | None = None
    """A name in the module, or a dotted path; None if the module is to be searched."""

    def __str__(self) -> str:
        return self.module if self.attribute is None else f"{self.module}:{self.attribute}"


def names_an_application(text: str) -> bool:
    """Whether `text` has the form MODULE:APP. A path or a URL has not: they begin with a slash, or contain two."""
    return _WITH_ATTRIBUTE.fullmatch(text) is not None


def parse(text: str, source: str, folder: Path) -> ImportString:
    """The import string of `text`: MODULE:APP, MODULE, or a Python file such as main.py.

    Args:
        text: what was written.
        source: where it was written, as the beginning of a message; empty for the command line.
        folder: the project's; files are relative to it.

    Raises:
        UsageError: it has no such form.
    """
    module, colon, attribute = text.partition(":")
    if module.endswith(".py"):
        module = _module_of(module, text, source, folder)
    if not colon and _MODULE.fullmatch(module):
        return ImportString(module)
    if names_an_application(f"{module}:{attribute}"):
        return ImportString(module, attribute)
    reason = 'it must look like "main:app" or "shop.main:app"'
    if names_an_application(text.removesuffix("()")):
        reason = f"for a function that returns the application write {text.removesuffix('()')} --factory"
    raise _refused(text, source, reason)


def _module_of(file: str, text: str, source: str, folder: Path) -> str:
    path = (folder / file).resolve()
    if not path.is_file():
        raise _refused(text, source, f"there is no file {path}")
    if not path.is_relative_to(folder.resolve()):
        raise _refused(text, source, f"the file isn't in {folder}; name the project's folder with --dir")
    parts = path.relative_to(folder.resolve()).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _refused(text: str, source: str, reason: str) -> UsageError:
    return UsageError(f'{source}"{text}" names no application: {reason}.')
