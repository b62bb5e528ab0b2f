"""Encode and decode results of cached functions: exactly the returned value, or an error (R5.31)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import msgspec
import pydantic

from millpond.cache.functions.plain import NotPlain, decode_plain, encode_plain, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN_MARK, _TYPED_MARK = b"\0", b"\1"


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
        except TypeError:  # it can't decode results of this type; plain ones need no type
            return b""
        return msgspec.json.encode(schema, order="deterministic")

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
            return _TYPED_MARK + self._encode_typed(value, where)
        except UnicodeEncodeError as error:
            raise NotPlain(value, where, f" ({error})") from None

    def decode(self, data: bytes) -> Any:
        """Decode the output of `encode`; a new copy each time."""
        written = memoryview(data)[1:]
        return decode_plain(written) if data[:1] == _PLAIN_MARK else self._decoder.decode(written)

    def _encode_typed(self, value: object, where: str) -> bytes:
        try:
            written = msgspec.msgpack.encode(value, enc_hook=_to_builtins)
        except (TypeError, OverflowError) as error:
            raise NotPlain(value, where, f" ({error})") from None
        try:
            back = self._decoder.decode(written)
        except (TypeError, msgspec.ValidationError, pydantic.ValidationError) as error:
            raise NotPlain(value, where, f", which the declared return type can't decode ({error})") from None
        different = difference(value, back, where)
        if different is not None:
            raise NotPlain(*different)
        return written

    @functools.cached_property
    def _decoder(self) -> msgspec.msgpack.Decoder[Any]:
        return msgspec.msgpack.Decoder(self._declared, dec_hook=_from_builtins)


def difference(value: object, back: object, where: str) -> tuple[object, str, str] | None:
    """The first difference between `value` and `back`: the value, its path, and what it became. 1 and 1.0 are equal."""
    lost = (value, where, f", and would be decoded as {type(back).__qualname__}; declare the return type more exactly")
    fields = fields_of(value)
    if fields is not None:
        others = fields_of(back)
        if type(value) is not type(back) or others is None:
            return lost
        return _first(difference(field, others[name], f"{where}.{name}") for name, field in fields.items())
    if isinstance(value, dict):
        if not isinstance(back, dict) or value.keys() != back.keys():
            return lost
        return _first(difference(item, back[key], f"{where}[{key!r}]") for key, item in value.items())
    for kind in (list, tuple):
        if isinstance(value, kind):
            if not isinstance(back, kind) or len(value) != len(back):
                return lost
            pairs = enumerate(zip(value, back, strict=True))
            return _first(difference(item, other, f"{where}[{n}]") for n, (item, other) in pairs)
    same = value == back or (value != value and back != back)  # two NaN are the same
    return None if same else lost


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
        return dict(value)  # not model_dump(): validators may reject the output of serializers
    raise TypeError(f"{type(value).__name__} isn't plain data")


def _from_builtins(kind: type, value: Any) -> Any:
    if issubclass(kind, pydantic.BaseModel):
        return kind.model_validate(value, strict=False, by_name=True)
    raise TypeError(f"{kind.__name__} isn't plain data")
