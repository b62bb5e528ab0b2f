"""What tells one call of a cached function from another, as bytes that are the same in every process (R5.21, R5.30)."""

from __future__ import annotations

import functools
import hashlib
import inspect
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any
from uuid import UUID

import msgspec

from millpond.cache.plain import NotPlain, fields_of, text_of

_BY_TEXT = (datetime, date, time, timedelta, Decimal, UUID)


def identity(value: object, where: str) -> Any:
    """`value` as nested lists that tell its types, for keys: 1, True, 1.0 and "1" differ, and so do equal-looking
    dates and strings; dicts and sets have one order.

    Raises:
        NotPlain: something in it has no such form.
    """
    if isinstance(value, Flag):
        return [_class(value), str(value.value)]  # a combination may have no name
    if isinstance(value, Enum):
        return [_class(value), value.name]
    if isinstance(value, float):
        return [_class(value), "nan" if math.isnan(value) else value.hex()]
    if isinstance(value, int):
        return [_class(value), f"{value:x}"]
    if isinstance(value, str):
        return [_class(value), value.encode("utf-8", "surrogatepass")]
    if value is None or isinstance(value, bytes):
        return [_class(value), value]
    if isinstance(value, list | tuple):
        return [_class(value), [identity(item, f"{where}[{n}]") for n, item in enumerate(value)]]
    if isinstance(value, set | frozenset):
        return ["set", sorted(encode_identity(identity(item, f"an item of {where}")) for item in value)]
    if isinstance(value, dict):
        pairs = ([identity(k, f"a key of {where}"), identity(v, f"{where}[{k!r}]")] for k, v in value.items())
        return ["dict", sorted(encode_identity(pair) for pair in pairs)]
    fields = fields_of(value)
    if fields is not None:
        return [_class(value), [[name, identity(item, f"{where}.{name}")] for name, item in fields.items()]]
    if type(value) in _BY_TEXT:
        return [_class(value), text_of(value)]
    raise NotPlain(value, where)


def encode_identity(value: Any) -> bytes:
    """The bytes of what `identity` gave."""
    return msgspec.msgpack.encode(value)


def _class(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


@functools.lru_cache(maxsize=4096)
def name_and_code(function: FunctionType) -> Any:
    """Module, qualified name, and a digest of source and code: an edited function is another one.

    The source alone isn't enough: of two lambdas in one line, or under two decorators, it is the same.
    """
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):  # made by exec, or typed into a shell
        source = ""
    codes = [_code(layer.__code__) for layer in _layers(function)]
    digest = hashlib.sha256(encode_identity([source.encode("utf-8", "surrogatepass"), codes])).digest()
    return [function.__module__, function.__qualname__, digest]


def captured_identity(function: FunctionType, where: str, above: tuple[FunctionType, ...] = ()) -> Any:
    """What a function, or the one that decorators have wrapped, closes over, by name.

    Raises:
        NotPlain: something of it has no such form.
    """
    inner = _layers(function)[-1]
    cells = zip(inner.__code__.co_freevars, inner.__closure__ or (), strict=True)
    return [[name, _cell(cell, f'"{name}"', (*above, inner))] for name, cell in cells]


def _layers(function: FunctionType) -> list[FunctionType]:
    """The function, and those that it wraps by functools.wraps; the innermost is last."""
    layers = [function]
    while isinstance(inner := getattr(layers[-1], "__wrapped__", None), FunctionType):
        layers.append(inner)
    return layers


def _cell(cell: CellType, where: str, above: tuple[FunctionType, ...]) -> Any:
    try:
        value = cell.cell_contents
    except ValueError:  # not assigned yet
        return None
    if isinstance(value, FunctionType):
        known = _layers(value)[-1] in above  # it calls itself
        return [name_and_code(value), None if known else captured_identity(value, where, above)]
    if isinstance(value, ModuleType):
        return [_class(value), value.__name__]
    if isinstance(value, BuiltinFunctionType | type) and "<locals>" not in value.__qualname__:
        return [_class(value), value.__module__, value.__qualname__]
    return identity(value, where)


def _code(code: CodeType) -> Any:
    """What a code object does; not where it is, which differs from machine to machine."""
    return [
        code.co_code,
        [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags],
        [*code.co_names, None, *code.co_varnames, None, *code.co_freevars, None, *code.co_cellvars],
        [_constant(constant) for constant in code.co_consts],
    ]


def _constant(constant: object) -> Any:
    if isinstance(constant, CodeType):
        return _code(constant)
    if isinstance(constant, tuple):
        return [_constant(item) for item in constant]
    if isinstance(constant, frozenset):  # its order differs from process to process
        return sorted(encode_identity(_constant(item)) for item in constant)
    return [_class(constant), repr(constant)]
