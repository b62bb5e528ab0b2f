"""Arguments and results of cached functions as bytes: typed, comparable over processes, never pickled (R5.31)."""

from __future__ import annotations

import dataclasses
import math
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
    """A value that can't be written down; `where` tells the way to it inside of what was given."""

    def __init__(self, value: object, where: str, reason: str = "") -> None:
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        super().__init__(f"{where} is of type {kind}{reason}")
        self.where = where


def identity(value: object, where: str) -> Any:
    """`value` as nested lists that tell its types, for keys: 1, True, 1.0 and "1" differ, and so do equal-looking
    dates and strings; dicts and sets have one order.

    Raises:
        NotPlain: something in it has no such form.
    """
    if isinstance(value, Enum):
        return [_class(value), value.name]
    if isinstance(value, float):
        return [_class(value), "nan" if math.isnan(value) else value.hex()]
    if isinstance(value, int):
        return [_class(value), str(value)]
    if value is None or isinstance(value, str | bytes):
        return [_class(value), value]
    if isinstance(value, list | tuple):
        return [_class(value), [identity(item, f"{where}[{n}]") for n, item in enumerate(value)]]
    if isinstance(value, set | frozenset):
        return ["set", sorted(_written(identity(item, f"an item of {where}")) for item in value)]
    if isinstance(value, dict):
        pairs = ([identity(k, f"a key of {where}"), identity(v, f"{where}[{k!r}]")] for k, v in value.items())
        return ["dict", sorted(_written(pair) for pair in pairs)]
    fields = _fields(value)
    if fields is not None:
        return [_class(value), [[name, identity(item, f"{where}.{name}")] for name, item in fields.items()]]
    if type(value) in _CODES:
        return [_class(value), _text(value)]
    raise NotPlain(value, where)


def _written(value: Any) -> bytes:
    return msgspec.msgpack.encode(value)


def encode_identity(value: Any) -> bytes:
    """The bytes of what `identity` gave."""
    return _written(value)


def _class(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _fields(value: object) -> Mapping[str, Any] | None:
    """The fields of a dataclass, Struct or pydantic model; None for anything else."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(value, pydantic.BaseModel):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def _text(value: object) -> str:
    if isinstance(value, timedelta):
        return f"{value.days} {value.seconds} {value.microseconds}"
    return value.isoformat() if isinstance(value, date | time) else str(value)


def encode_plain(value: object, where: str) -> bytes:
    """A result without a declared type: plain values, with their types kept.

    Raises:
        NotPlain: a class among it, which can only be read back where the function declares its return type.
    """
    return _written(_tagged(value, where))


def _tagged(value: object, where: str) -> Any:
    kind = type(value)
    if kind is int and isinstance(value, int) and not _INT_LIMITS[0] <= value <= _INT_LIMITS[1]:
        return _extension(int, str(value))
    if kind in _PLAIN:
        return value
    if isinstance(value, list) and kind is list:
        return [_tagged(item, f"{where}[{n}]") for n, item in enumerate(value)]
    if isinstance(value, dict) and kind is dict:
        return {_plain_key(k, where): _tagged(v, f"{where}[{k!r}]") for k, v in value.items()}
    if isinstance(value, tuple | set | frozenset) and kind in _CODES:
        items = [_tagged(item, f"an item of {where}") for item in value]
        return msgspec.msgpack.Ext(_CODES[kind], _written(items))
    if kind in _CODES:
        return _extension(kind, _text(value))
    known = _fields(value) is not None or isinstance(value, Enum | tuple)
    reason = "; declare the function's return type, so that it can be read back" if known else ""
    raise NotPlain(value, where, reason)


def _plain_key(key: object, where: str) -> Any:
    if type(key) in (str, int, bytes, float, bool, type(None)):
        return key
    raise NotPlain(key, f"a key of {where}")


def _extension(kind: type, text: str) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(_CODES[kind], text.encode("utf-8"))


def decode_plain(data: bytes) -> Any:
    """What `encode_plain` wrote; a new copy each time, so that no caller can change another's."""
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
        _CODES[int]: int,
    }
    return makers[code](text)


_plain_decoder = msgspec.msgpack.Decoder(ext_hook=_restore)


class Codec:
    """Writes and reads results of one function."""

    def __init__(self, declared: object, name: str) -> None:
        """`declared` is the return annotation, or None where there is none that says more than Any."""
        self._name = name
        self._decoder: msgspec.msgpack.Decoder[Any] | None = None
        if declared is not None:
            self._decoder = msgspec.msgpack.Decoder(declared, dec_hook=_from_builtins)

    def encode(self, value: object) -> bytes:
        """Raises NotPlain: the value can't be written down."""
        where = f"the result of {self._name}"
        if self._decoder is None:
            return encode_plain(value, where)
        try:
            return msgspec.msgpack.encode(value, enc_hook=_to_builtins)
        except (TypeError, ValueError, OverflowError) as error:
            raise NotPlain(value, where, f" ({error})") from None

    def decode(self, data: bytes) -> Any:
        """Raises msgspec.ValidationError: the bytes don't fit the declared type."""
        return decode_plain(data) if self._decoder is None else self._decoder.decode(data)


def _to_builtins(value: object) -> Any:
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode="python", round_trip=True)
    raise TypeError(f"{type(value).__name__} is no data")


def _from_builtins(kind: type, value: Any) -> Any:
    if issubclass(kind, pydantic.BaseModel):
        return kind.model_validate(value)
    raise TypeError(f"{kind.__name__} is no data")
