"""Encode and decode results of cached functions: exactly the returned value, or an error (R5.31)."""

from __future__ import annotations

import functools
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pydantic

from millpond.cache.functions.declared_classes import DeclaredClasses, Undeclared
from millpond.cache.functions.models import models_in, restore, state_of, validated
from millpond.cache.functions.plain import NotPlain, decode_plain, encode_plain, fields_of, hidden_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

FORMAT = 3
"""Of what is written; part of the keys, so that what former versions have written isn't found."""

_PLAIN_MARK, _TYPED_MARK, _CLASSES_MARK = b"\0", b"\1", b"\2"
_EXACT = (bytes, datetime, date, time, timedelta, Decimal, UUID)
"""What `encode_plain` writes without loss, and msgspec with some."""
_SHOWN = (datetime, time, Decimal)
"""Equal values of these may differ in what they print."""
_NUMBERS = (int, float)
"""1 becomes 1.0 where a float is declared."""


class Undecodable(Exception):
    """What is stored can't be decoded: it is damaged, or the classes of the result have changed what they accept."""


class _Foreign(NotPlain):
    """It contains something that isn't plain data."""


class _Unsuitable(NotPlain):
    """The declared type, or a part of it, is none that can be decoded."""


class _UnknownKind(Exception):
    """Neither msgspec nor pydantic decodes values of this type."""


class Codec:
    """Encodes the results of one function: plain data as it is, instances of classes by the declared return type."""

    def __init__(self, declared: object, name: str) -> None:
        """`declared` is the return annotation; None if there is none, or only Any or object."""
        self._declared = declared
        self._name = name

    @functools.cached_property
    def shape(self) -> bytes:
        """The fields of the declared classes. Part of the key, as an edited class can't decode old results."""
        if self._declared is None:
            return b""
        try:
            schema = msgspec.json.schema(self._declared, schema_hook=_schema)
        except TypeError:  # it can't decode results of this type as a whole
            classes = self._classes.shape
            return msgspec.json.encode(classes, order="deterministic") if classes else b""
        return msgspec.json.encode(schema, order="deterministic")

    @functools.cached_property
    def _is_known(self) -> bool:
        """Whether msgspec can decode results of the declared type as a whole: no union of models, say."""
        try:
            msgspec.json.Decoder(self._declared, dec_hook=_from_builtins)
        except TypeError:
            return False
        return True

    @functools.cached_property
    def _classes(self) -> DeclaredClasses:
        return DeclaredClasses(self._declared)

    def encode(self, value: object) -> bytes:
        """Encode a value.

        Raises:
            NotPlain: the value can't be encoded, or would be different when decoded.
        """
        where = f"the result of {self._name}"
        try:
            try:
                return _PLAIN_MARK + encode_plain(value, where)
            except NotPlain:
                if self._declared is None:
                    raise
            return self._encode_declared(value, where)
        except UnicodeEncodeError as error:
            raise NotPlain(value, where, f" ({error})") from None

    def decode(self, data: bytes) -> Any:
        """Decode the output of `encode`; a new copy each time.

        Raises:
            Undecodable: it is no such output, or no longer one.
        """
        written = memoryview(data)[1:]
        try:
            if data[:1] == _PLAIN_MARK:
                return decode_plain(written)
            return self._decode_typed(written) if data[:1] == _TYPED_MARK else decode_plain(written, self._classes)
        except Exception as error:  # the constructors and validators of the user's classes run
            raise Undecodable(" ".join(str(error).split()) or type(error).__name__) from error

    def _encode_declared(self, value: object, where: str) -> bytes:
        """By the declared type as a whole, or else by the class of each instance, as in unions of models."""
        try:
            return _TYPED_MARK + self._encode_typed(value, where)
        except _Foreign:
            return _CLASSES_MARK + self._encode_by_class(value, where)
        except NotPlain as problem:
            if self._is_known and not isinstance(problem, _Unsuitable):
                raise
            try:
                return _CLASSES_MARK + self._encode_by_class(value, where)
            except Undeclared:
                raise problem from None

    def _encode_by_class(self, value: object, where: str) -> bytes:
        written = encode_plain(value, where, self._classes)
        try:
            back = decode_plain(written, self._classes)
        except Exception as error:  # noqa: BLE001 - the constructors and validators of the user's classes run
            raise NotPlain(value, where, f", which can't be made again ({' '.join(str(error).split())})") from None
        different = difference(value, back, where)
        if different is not None:
            raise NotPlain(*different)
        return written

    def _encode_typed(self, value: object, where: str) -> bytes:
        try:
            builtins = msgspec.to_builtins(value, builtin_types=_EXACT, enc_hook=_to_builtins)
            states = [state_of(model) for model in models_in(value)]
            written = encode_plain([builtins, states], where)
        except NotPlain:
            _check_private(value, where)
            raise
        except (TypeError, OverflowError, AttributeError) as error:  # the last: a field has no value
            raise _Foreign(value, where, f" ({error})") from None
        try:
            back = self._decode_typed(written)
        except Exception as error:  # noqa: BLE001 - the constructors and validators of the user's classes run
            told = " ".join(str(error).split())  # pydantic's has several lines
            kind = _Unsuitable if isinstance(error, _UnknownKind) else NotPlain
            raise kind(value, where, f", which the declared return type can't decode ({told})") from None
        different = difference(value, back, where)
        if different is not None:
            raise NotPlain(*different)
        return written

    def _decode_typed(self, written: bytes | memoryview) -> Any:
        builtins, states = decode_plain(written)
        value = msgspec.convert(builtins, self._declared, builtin_types=_EXACT, dec_hook=_from_builtins)
        for model, state in zip(models_in(value), states, strict=False):
            restore(model, state)
        return value


def _check_private(value: object, where: str) -> None:
    """Raises NotPlain if a private attribute can't be encoded."""
    for model in models_in(value):
        for name, item in (getattr(model, "__pydantic_private__", None) or {}).items():
            try:
                encode_plain(item, where)
            except NotPlain:
                place = f'the private attribute "{name}" of {type(model).__name__} in {where}'
                raise NotPlain(item, place, ", and private attributes must be plain data") from None


def difference(value: object, back: object, where: str) -> tuple[object, str, str] | None:
    """The first difference between `value` and `back`: the value, its path, and what it became. 1 and 1.0 are equal."""
    became = f"{back!r:.80}" if type(value) is type(back) else type(back).__qualname__
    lost = (value, where, f", and would be decoded as {became}; declare the return type more exactly")
    if type(value) is not type(back) and not (type(value) in _NUMBERS and type(back) in _NUMBERS):
        return lost
    states = [state_of(model) for model in (value, back) if isinstance(model, pydantic.BaseModel)]
    if states and states[0] != states[1]:
        return lost
    hidden = hidden_of(value)
    if hidden.keys() != hidden_of(back).keys():
        return value, where, f" with the attribute {_named(hidden)}, which is no field of it and would be lost"
    if isinstance(value, _SHOWN):  # moments in two zones may be equal, and 1.0 and 1.00
        return lost if repr(value) != repr(back) else None
    fields, others = fields_of(value), fields_of(back)
    if fields is not None and others is not None:
        if fields.keys() != others.keys():
            return lost
        pairs = ({**fields, **hidden}, {**others, **hidden_of(back)})
        return _first(difference(each, pairs[1][name], f"{where}.{name}") for name, each in pairs[0].items())
    if isinstance(value, dict):
        if not isinstance(back, dict):
            return lost
        keys = _matched(value, back)
        if keys is None:
            return lost
        of_keys = (difference(key, other, f"a key of {where}") for key, other in keys)
        return _first(of_keys) or _first(difference(value[key], back[key], f"{where}[{key!r}]") for key in value)
    if isinstance(value, set | frozenset):
        items = _matched(value, back)
        return (
            lost if items is None else _first(difference(each, other, f"an item of {where}") for each, other in items)
        )
    for kind in (list, tuple):
        if isinstance(value, kind):
            if not isinstance(back, kind) or len(value) != len(back):
                return lost
            numbered = enumerate(zip(value, back, strict=True))
            return _first(difference(item, other, f"{where}[{n}]") for n, (item, other) in numbered)
    same = value == back or (value != value and back != back)  # two NaN are the same
    return None if same else lost


def _matched(items: Collection[object], others: Any) -> list[tuple[object, object]] | None:
    """Each item of a set, or key of a dict, with its equal among the others; None if one has none."""
    equals = {each: each for each in others}
    matched = [(item, equals[item]) for item in items if item in equals]
    return matched if len(matched) == len(items) == len(equals) else None


def _named(hidden: Iterable[str]) -> str:
    return next(iter(hidden), "")


def _first(differences: Iterator[tuple[object, str, str] | None]) -> tuple[object, str, str] | None:
    return next((found for found in differences if found is not None), None)


def _schema(kind: type) -> dict[str, Any]:
    """The fields of a pydantic model; of any other class only its name."""
    if issubclass(kind, pydantic.BaseModel):
        try:
            return kind.model_json_schema()
        except pydantic.errors.PydanticUserError:  # a field has no JSON schema
            return {"properties": dict.fromkeys(kind.model_fields)}
    return {"title": f"{kind.__module__}.{kind.__qualname__}"}


def _to_builtins(value: object) -> Any:
    if isinstance(value, pydantic.RootModel):
        return value.root
    if isinstance(value, pydantic.BaseModel):
        return fields_of(value)  # not model_dump(): validators may reject the output of serializers
    raise TypeError(f"{type(value).__name__} isn't plain data")


def _from_builtins(kind: Any, value: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        return validated(kind, value)
    raise _UnknownKind(f"{getattr(kind, '__name__', kind)} isn't plain data")
