"""What a code object imports, as its instructions say it: they are at hand where a source would have to be parsed."""

from __future__ import annotations

import dis
import importlib.util
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_IMPORT = dis.opmap["IMPORT_NAME"]


def imported_names(code: CodeType, package: str) -> Iterator[str]:
    """The full names that a code object imports anywhere, with the packages around them.

    Args:
        code: of a module.
        package: the module's, to which relative imports refer.
    """
    if _IMPORT in code.co_code[::2]:  # to list all instructions costs a hundred times as much
        yield from _imports_in(code, package)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from imported_names(constant, package)


def _imports_in(code: CodeType, package: str) -> Iterator[str]:
    level: Any = 0
    listed: Any = None  # the names after `from … import`
    for instruction in dis.get_instructions(code):
        if instruction.opcode == _IMPORT:
            base = _base(level, instruction.argval, package)
            if base is not None:
                yield from _with_packages(base)
                yield from (f"{base}.{name}" for name in listed or ())
        elif instruction.opname != "EXTENDED_ARG":
            level, listed = listed, instruction.argval


def _base(level: object, name: str, package: str) -> str | None:
    """What is imported from, as a full name; None if it lies above the topmost package."""
    if not isinstance(level, int) or not level:
        return name
    try:
        return importlib.util.resolve_name("." * level + name, package)
    except ImportError:
        return None


def _with_packages(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts) + 1))
