"""Results of classes come back exactly, equal in value, type and text, or they are refused (R5.31)."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter, OrderedDict, defaultdict
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.cache.functions.plain import NotPlain
from millpond.cache.functions.values import Codec


@dataclasses.dataclass
class AsDataclass:
    when: datetime
    at: time | None = None


class AsStruct(msgspec.Struct):
    when: datetime
    at: time | None = None


class AsModel(pydantic.BaseModel):
    when: datetime
    at: time | None = None


class AsTuple(NamedTuple):
    when: datetime
    at: time | None = None


class Word(StrEnum):
    A = "a"


class Number(IntEnum):
    ONE = 1


class Text(str):
    __slots__ = ()


class Texts(list[str]):
    pass


class Private(pydantic.BaseModel):
    a: int = 1
    inner: list[Private] = []
    _note: str = pydantic.PrivateAttr("")


class Frozen(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)
    a: int = 1


class Aliased(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    a: int = pydantic.Field(alias="x")


class Counting(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    a: int

    @functools.cached_property
    def twice(self) -> int:
        return 2 * self.a


class Refusing(pydantic.BaseModel):
    a: int

    @pydantic.field_validator("a")
    @classmethod
    def _checked(cls, value: int) -> int:
        return {1: 1}[value]


class Loose(msgspec.Struct, dict=True):
    a: Any = None


@dataclasses.dataclass
class Lazy:
    a: int
    b: int = dataclasses.field(init=False)


KINDS: list[Any] = [AsDataclass, AsStruct, AsModel, AsTuple]
ZONES = [
    None,
    UTC,
    ZoneInfo("Europe/Berlin"),
    ZoneInfo("UTC"),
    timezone(timedelta(hours=2)),
    timezone(timedelta(hours=1), "CET"),
    timezone(timedelta(hours=-3, seconds=-7)),
]


def through(value: object, declared: object) -> Any:
    codec = Codec(declared, "value()")
    return codec.decode(codec.encode(value))


moments = st.builds(
    lambda when, zone, fold: when.replace(tzinfo=zone, fold=fold),
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    st.sampled_from(ZONES),
    st.sampled_from([0, 1]),
)
times = st.builds(lambda moment: moment.timetz(), moments)


@given(st.sampled_from(KINDS), moments, times | st.none())
def test_moments_in_fields_keep_their_zone_and_fold(kind: Any, when: datetime, at: time | None) -> None:
    value = kind(when, at) if kind is not AsModel else AsModel(when=when, at=at)
    back = through(value, kind)
    assert repr(back) == repr(value)
    assert type(back) is kind
    assert back.when.utcoffset() == when.utcoffset()


@given(moments, times)
def test_moments_by_themselves_keep_their_zone_and_fold(when: datetime, at: time) -> None:
    for declared in (None, dict[str, Any], dict[str, datetime | time]):
        back = through({"when": when, "at": at}, declared)
        assert repr(back) == repr({"when": when, "at": at})
        assert back["when"] + timedelta(days=180) == when + timedelta(days=180)


def private(note: Any, *inner: Private, **given: Any) -> Private:
    model = Private(inner=list(inner), **given) if inner else Private(**given)
    model._note = note
    return model


@pytest.mark.parametrize(
    ("value", "declared"),
    [
        (private(""), Private),
        (private("mine"), Private),
        (private("outer", private("inner", a=1), private("", a=2)), Private),
        ({"x": [private("a"), private("b", a=1)]}, dict[str, list[Private]]),
    ],
)
def test_models_keep_which_fields_were_given_and_their_private_attributes(value: Any, declared: Any) -> None:
    back = through(value, declared)
    assert back == value  # pydantic compares given fields and private attributes, too
    assert repr(back) == repr(value)


def counted() -> Counting:
    value = Counting(a=1)
    assert value.twice == 2
    return value


def test_what_a_model_remembers_by_cached_property_is_made_again() -> None:
    back = through(counted(), Counting)
    assert (back.a, back.twice) == (1, 2)


def with_attribute(value: Any) -> Any:
    value.more = 5
    return value


class Odd(tzinfo):
    def utcoffset(self, when: datetime | None) -> timedelta:
        return timedelta(hours=1)

    def dst(self, when: datetime | None) -> None:
        """Unknown."""

    def tzname(self, when: datetime | None) -> str:
        return "ODD"


@pytest.mark.parametrize(
    ("value", "declared", "message"),
    [
        (defaultdict(int, a=1), None, "is of type collections.defaultdict"),
        (defaultdict(int, a=1), dict[str, int], "collections.defaultdict, and would be decoded as dict"),
        (OrderedDict(a=1), dict[str, int], "and would be decoded as dict"),
        (Counter("ab"), dict, "and would be decoded as dict"),
        (Text("a"), None, "Text"),
        (Text("a"), str, "Text"),
        (Texts(["a"]), list[str], "Texts, and would be decoded as list"),
        ([Word.A], list, "Word, and would be decoded as str"),
        ({"a": Number.ONE}, dict[str, int], "Number, and would be decoded as int"),
        (AsTuple(datetime.now(UTC)), tuple, "AsTuple, and would be decoded as tuple"),
        (datetime(2026, 1, 1, tzinfo=Odd()), None, "a time zone of type Odd; give it a zoneinfo.ZoneInfo"),
        (AsStruct(datetime(2026, 1, 1, tzinfo=Odd())), AsStruct, "a time zone of type Odd"),
        (object(), object, "is of type object"),
        ({Word.A: 1}, dict[str, int], "a key of the result of value.. is of type .*Word, and would be decoded as str"),
        ({"x": {Word.A}}, dict[str, set[str]], r"an item of the result of value..\['x'\] is of type .*Word"),
        ({Frozen()}, set[Frozen], "Frozen, and would be decoded as"),
        (with_attribute(AsDataclass(datetime(2026, 1, 1))), AsDataclass, "with the attribute more, which is no field"),
        (with_attribute(Loose()), Loose, "with the attribute more, which is no field"),
        (Aliased.model_validate({"x": 1, "a": 2}), Aliased, "with the attribute a, which is no field"),
        (Lazy(1), Lazy, "missing required field `b`"),
        (Refusing.model_construct(a=2), Refusing, "which the declared return type can't decode"),
        (
            private(object()),
            Private,
            'the private attribute "_note" of Private in the result of value.. is of type object',
        ),
        (1j, complex, "complex"),
    ],
)
def test_what_would_come_back_as_something_else_is_refused(value: Any, declared: Any, message: str) -> None:
    with pytest.raises(NotPlain, match=message):
        Codec(declared, "value()").encode(value)


@pytest.mark.parametrize(
    ("value", "declared"),
    [
        (Word.A, Word),
        (Number.ONE, Number),
        ([Word.A], list[Word]),
        ({Word.A: {Number.ONE}}, dict[Word, set[Number]]),
        ({Decimal("1.50"): Frozen(a=1)}, dict[Decimal, Frozen]),
        (AsTuple(datetime.now(UTC)), AsTuple),
        (Loose(Decimal("1.50")), Loose),
    ],
)
def test_with_their_declared_type_they_come_back(value: Any, declared: Any) -> None:
    back = through(value, declared)
    assert (back, type(back), repr(back)) == (value, type(value), repr(value))
