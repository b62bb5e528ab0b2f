"""Plain data as bytes: typed, the same in every process, never pickled (R5.31)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pydantic

from millpond.cache.functions.scalars import PATHS, SCALARS, SECRETS, scalar_from

if TYPE_CHECKING:
    from collections.abc import Callable

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
    dict: 11,  # with other keys than msgpack's
}
_SCALAR, _INSTANCE = 12, 13
_KEYS = frozenset({*_PLAIN, *_CODES, *SCALARS} - {tuple, set, frozenset, dict})
"""Types of keys."""
_SQLALCHEMY_PREFIX = "_sa_"
"""The prefix of attributes in which SQLAlchemy keeps the state of an object."""


class NotPlain(TypeError):
    """A value that can't be encoded; `where` is its path inside the given value."""

    def __init__(self, value: object, where: str, reason: str = "") -> None:
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        super().__init__(f"{where} is of type {kind}{reason or _remedy(value)}")
        self.where = where


class Instances(Protocol):
    """Instances of classes that are known by name, as plain data."""

    def parts_of(self, value: object, where: str) -> tuple[str, Any, Any]:
        """The name of the class, what the value consists of (fields by name, or anything else), and its other state.

        Raises:
            NotPlain: the class isn't known, or has no such form.
        """

    def made_of(self, name: str, parts: Any, state: Any) -> object:
        """The value that consists of `parts`."""


def _remedy(value: object) -> str:
    """What to return in place of a value, if it is of a kind that people often return."""
    package = type(value).__module__.partition(".")[0]
    names = {kind.__name__ for kind in type(value).__mro__}
    if package == "numpy":
        return "; use its .tolist()" if "ndarray" in names else "; use its .item()"
    if package == "sqlalchemy":
        row = "; use its ._asdict(), or tuple(…) of it" if "Row" in names else "; use dict(…) of it"
        return row if names & {"Row", "RowMapping"} else ""
    if isinstance(value, SECRETS):
        return (
            ", and would be stored readable; leave it out, or declare that it may be: by a @field_serializer of its "
            "field in the model"
        )
    if isinstance(value, PATHS):
        return "; use str(…) of it"
    if isinstance(value, bytearray | memoryview):
        return "; use bytes(…) of it"
    if isinstance(value, Mapping):
        return "; use dict(…) of it"
    is_iterable = hasattr(value, "__iter__") and not isinstance(value, type | str)
    return "; use list(…) of it" if is_iterable and not isinstance(value, tuple) else ""


def fields_of(value: object) -> Mapping[str, Any] | None:
    """The fields of a dataclass, Struct or pydantic model that have a value; None for anything else."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(value, pydantic.BaseModel):
        # Not by iterating it: that gives what it remembers by cached_property, too.
        given = value.__dict__
        fields = {name: given[name] for name in type(value).model_fields if name in given}
        return {**(value.__pydantic_extra__ or {}), **fields}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: getattr(value, name) for name in names if hasattr(value, name)}
    return None


def hidden_of(value: object) -> dict[str, Any]:
    """The attributes of an object that are neither fields nor private ones of pydantic, nor derived from its fields."""
    attributes: dict[str, Any] = getattr(value, "__dict__", {})
    if not attributes or isinstance(value, type | Enum):
        return {}
    fields = fields_of(value) or {}
    hidden = {
        name: attribute
        for name, attribute in attributes.items()
        if name not in fields
        and not name.startswith(_SQLALCHEMY_PREFIX)
        and not isinstance(getattr(type(value), name, None), functools.cached_property)
    }
    if isinstance(value, pydantic.BaseModel):
        # Where a field has an alias, an extra value may have the field's own name.
        extra = value.__pydantic_extra__ or {}
        hidden |= {name: extra[name] for name in extra if name in type(value).model_fields}
    return hidden


def text_of(value: object) -> str:
    """A date, time, duration, Decimal or UUID as text, without loss."""
    if isinstance(value, timedelta):
        return f"{value.days} {value.seconds} {value.microseconds}"
    return value.isoformat() if isinstance(value, date | time) else str(value)


def encode_plain(value: object, where: str, instances: Instances | None = None) -> bytes:
    """Encode a result: plain values with their types, and instances of the given classes.

    Raises:
        NotPlain: it contains an instance of another class, which needs a declared return type to be decoded.
    """
    return msgspec.msgpack.encode(_tagged(value, where, instances))


def _tagged(value: object, where: str, instances: Instances | None) -> Any:
    kind = type(value)
    if kind is int and isinstance(value, int) and not _INT_LIMITS[0] <= value <= _INT_LIMITS[1]:
        return _extension(int, f"{value:x}")  # hexadecimal, as Python limits the number of decimal digits
    if kind in _PLAIN:
        return value
    if isinstance(value, list) and kind is list:
        return [_tagged(item, f"{where}[{n}]", instances) for n, item in enumerate(value)]
    if isinstance(value, dict) and kind is dict:
        return _tagged_dict(value, where, instances)
    if isinstance(value, tuple | set | frozenset) and kind in _CODES:
        items = [_tagged(item, f"an item of {where}", instances) for item in value]
        return msgspec.msgpack.Ext(_CODES[kind], msgspec.msgpack.encode(items))
    if isinstance(value, datetime | time) and kind in _CODES:
        return msgspec.msgpack.Ext(_CODES[kind], _moment(value, where))
    if kind in _CODES:
        return _extension(kind, text_of(value))
    if kind in SCALARS:
        return msgspec.msgpack.Ext(_SCALAR, msgspec.msgpack.encode([SCALARS[kind], str(value)]))
    if instances is not None:
        return _tagged_instance(*instances.parts_of(value, where), where, instances)
    known = fields_of(value) is not None or isinstance(value, Enum | tuple)
    reason = "; declare the function's return type, so that it can be read back" if known else ""
    raise NotPlain(value, where, reason)


def _tagged_instance(name: str, parts: Any, state: Any, where: str, instances: Instances) -> msgspec.msgpack.Ext:
    if isinstance(parts, dict):
        written = {field: _tagged(each, f"{where}.{field}", instances) for field, each in parts.items()}
    else:
        written = _tagged(parts, where, instances)
    return msgspec.msgpack.Ext(_INSTANCE, msgspec.msgpack.encode([name, written, _tagged(state, where, None)]))


def _tagged_dict(value: dict[Any, Any], where: str, instances: Instances | None) -> Any:
    for key in value:
        if type(key) not in _KEYS and instances is None:
            raise NotPlain(key, f"a key of {where}")
    values = (_tagged(each, f"{where}[{key!r}]", instances) for key, each in value.items())
    if all(type(key) in _PLAIN for key in value):
        return dict(zip(value, values, strict=True))
    pairs = [[_tagged(key, f"a key of {where}", instances), each] for key, each in zip(value, values, strict=True)]
    return msgspec.msgpack.Ext(_CODES[dict], msgspec.msgpack.encode(pairs))


def _moment(value: datetime | time, where: str) -> bytes:
    """A datetime or time, with what its text doesn't tell: the zone by its key, and which of two equal hours it is."""
    zone: Any = value.tzinfo
    if isinstance(zone, ZoneInfo) and zone.key is not None:
        zone = zone.key
    elif type(zone) is timezone:
        offset, name = zone.utcoffset(None), zone.tzname(None)
        given = None if name == timezone(offset).tzname(None) else name
        zone = [offset.days, offset.seconds, offset.microseconds, given]
    elif zone is not None:
        reason = f" with a time zone of type {type(zone).__qualname__}; give it a zoneinfo.ZoneInfo that has a key"
        raise NotPlain(value, where, reason)
    return msgspec.msgpack.encode([value.replace(tzinfo=None, fold=0).isoformat(), value.fold, zone])


def _moment_from(kind: type[datetime | time], data: memoryview) -> datetime | time:
    text, fold, zone = msgspec.msgpack.decode(data)
    if isinstance(zone, str):
        zone = ZoneInfo(zone)
    elif zone is not None:
        days, seconds, microseconds, name = zone
        offset = timedelta(days, seconds, microseconds)
        zone = timezone(offset) if name is None else timezone(offset, name)
    return kind.fromisoformat(text).replace(tzinfo=zone, fold=fold)


def _extension(kind: type, text: str) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(_CODES[kind], text.encode("utf-8"))


def decode_plain(data: bytes | memoryview, instances: Instances | None = None) -> Any:
    """Decode the output of `encode_plain`. Each call makes a new copy, so that callers can't change each other's."""
    return (_plain if instances is None else _Decoder(instances)).decode(data)


class _Decoder:
    """Decodes what consists of plain values, and of instances of some classes."""

    def __init__(self, instances: Instances | None) -> None:
        self._instances = instances
        self.decode = msgspec.msgpack.Decoder(ext_hook=self._restore).decode

    def _restore(self, code: int, data: memoryview) -> Any:
        if code in (1, 2, 3):
            return (tuple, set, frozenset)[code - 1](self.decode(data))
        if code == _CODES[dict]:
            return dict(self.decode(data))
        if code == _INSTANCE and self._instances is not None:
            return self._instances.made_of(*self.decode(data))
        return _restored(code, data)


def _restored(code: int, data: memoryview) -> Any:
    if code in (_CODES[datetime], _CODES[time]):
        return _moment_from(datetime if code == _CODES[datetime] else time, data)
    if code == _SCALAR:
        return scalar_from(*msgspec.msgpack.decode(data))
    text = str(data, "utf-8")
    if code == _CODES[timedelta]:
        days, seconds, microseconds = map(int, text.split())
        return timedelta(days, seconds, microseconds)
    makers: dict[int, Callable[[str], object]] = {
        _CODES[date]: date.fromisoformat,
        _CODES[Decimal]: Decimal,
        _CODES[UUID]: UUID,
        _CODES[int]: lambda digits: int(digits, 16),
    }
    return makers[code](text)


_plain = _Decoder(None)
