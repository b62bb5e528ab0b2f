"""The content of code objects: the same in every process, wherever the files are."""

from __future__ import annotations

from types import CodeType
from typing import Any

import msgspec


def code_content(code: CodeType) -> Any:
    """What a code object does, as nested lists; without its file and lines, which differ between machines."""
    return [
        code.co_code,
        [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags],
        [*code.co_names, None, *code.co_varnames, None, *code.co_freevars, None, *code.co_cellvars],
        [_constant(constant) for constant in code.co_consts],
    ]


def _constant(constant: object) -> Any:
    if isinstance(constant, CodeType):
        return code_content(constant)
    if isinstance(constant, tuple):
        return [_constant(item) for item in constant]
    if isinstance(constant, frozenset):  # its order differs between processes
        return sorted(msgspec.msgpack.encode(_constant(item)) for item in constant)
    return [f"{type(constant).__module__}.{type(constant).__qualname__}", repr(constant)]
