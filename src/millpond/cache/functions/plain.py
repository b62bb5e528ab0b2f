"""Plain data as bytes: typed, the same in every process, never pickled (R5.31)."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pydantic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PLAIN = (type(None), bool, int, float, str, bytes)
_INT_LIMITS = (-(2**63), 2**64 - 1)

_CODES: dict[type, int] = {
    tuple: 1,
    set: 2,
    frozenset: 3,
    datetime: 4,
    date: 5,
    time: 6,
    timedelta: 7,
    Decimal: 8,
    UUID: 9,
    int: 10,  # beyond 64 bits
}


class NotPlain(TypeError):
    """A value that can't be encoded; `where` is its path inside the given value."""

    def __init__(self, value: object, where: str, reason: str = "") -> None:
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        super().__init__(f"{where} is of type {kind}{reason}")
        self.where = where


def fields_of(value: object) -> Mapping[str, Any] | None:
    """The fields of a dataclass, Struct or pydantic model; None for anything else."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(value, pydantic.BaseModel):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def text_of(value: object) -> str:
    """A date, time, duration, Decimal or UUID as text, without loss."""
    if isinstance(value, timedelta):
        return f"{value.days} {value.seconds} {value.microseconds}"
    return value.isoformat() if isinstance(value, date | time) else str(value)


def encode_plain(value: object, where: str) -> bytes:
    """Encode a result without a declared type: plain values with their types.

    Raises:
        NotPlain: it contains an instance of a class, which needs a declared return type to be decoded.
    """
    return msgspec.msgpack.encode(_tagged(value, where))


def _tagged(value: object, where: str) -> Any:
    kind = type(value)
    if kind is int and isinstance(value, int) and not _INT_LIMITS[0] <= value <= _INT_LIMITS[1]:
        return _extension(int, f"{value:x}")  # hexadecimal, as Python limits the number of decimal digits
    if kind in _PLAIN:
        return value
    if isinstance(value, list) and kind is list:
        return [_tagged(item, f"{where}[{n}]") for n, item in enumerate(value)]
    if isinstance(value, dict) and kind is dict:
        return {_plain_key(k, where): _tagged(v, f"{where}[{k!r}]") for k, v in value.items()}
    if isinstance(value, tuple | set | frozenset) and kind in _CODES:
        items = [_tagged(item, f"an item of {where}") for item in value]
        return msgspec.msgpack.Ext(_CODES[kind], msgspec.msgpack.encode(items))
    if kind in _CODES:
        return _extension(kind, text_of(value))
    known = fields_of(value) is not None or isinstance(value, Enum | tuple)
    reason = "; declare the function's return type, so that it can be read back" if known else ""
    raise NotPlain(value, where, reason)


def _plain_key(key: object, where: str) -> Any:
    if type(key) in (str, int, bytes, float, bool, type(None)):
        return key
    raise NotPlain(key, f"a key of {where}")


def _extension(kind: type, text: str) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(_CODES[kind], text.encode("utf-8"))


def decode_plain(data: bytes | memoryview) -> Any:
    """Decode the output of `encode_plain`. Each call makes a new copy, so that callers can't change each other's."""
    return _plain_decoder.decode(data)


def _restore(code: int, data: memoryview) -> Any:
    if code in (1, 2, 3):
        return (tuple, set, frozenset)[code - 1](_plain_decoder.decode(data))
    text = str(data, "utf-8")
    if code == _CODES[timedelta]:
        days, seconds, microseconds = map(int, text.split())
        return timedelta(days, seconds, microseconds)
    makers: dict[int, Callable[[str], object]] = {
        _CODES[datetime]: datetime.fromisoformat,
        _CODES[date]: date.fromisoformat,
        _CODES[time]: time.fromisoformat,
        _CODES[Decimal]: Decimal,
        _CODES[UUID]: UUID,
        _CODES[int]: lambda digits: int(digits, 16),
    }
    return makers[code](text)


_plain_decoder = msgspec.msgpack.Decoder(ext_hook=_restore)
