"""Seventy kinds of values, as arguments and as results, with and without an annotation: the same again, or refused.

What comes back equals the value, has its type and its text, and its dates count as before. What would not is a
UsageError that names it, and says what to return.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import pathlib
import re
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque, namedtuple
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from fractions import Fraction
from types import MappingProxyType, SimpleNamespace
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millpond.cache.functions.definition import Definition
from millpond.errors import UsageError

BERLIN = ZoneInfo("Europe/Berlin")
AUTUMN = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)
T = TypeVar("T")


class Word(StrEnum):
    A = "a"


class Number(IntEnum):
    ONE = 1


class Colour(Enum):
    RED = "r"


class Parts(Enum):
    ALL = frozenset({1})


class Right(Flag):
    READ = 1
    WRITE = 2


class Bits(IntFlag):
    ONE = 1
    TWO = 2


@dataclasses.dataclass
class Moment:
    when: datetime
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    address: ipaddress.IPv4Address


@dataclasses.dataclass
class Later:
    a: int
    b: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.b = self.a + 1


class Pair(NamedTuple):
    when: datetime
    words: list[Word]


Untyped = namedtuple("Untyped", "a b")


class Struct(msgspec.Struct):
    path: pathlib.Path
    when: datetime


class Other(msgspec.Struct):
    path: pathlib.Path
    when: datetime


class Cat(pydantic.BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(pydantic.BaseModel):
    kind: Literal["dog"] = "dog"
    lives: int = 1


class Twin(pydantic.BaseModel):
    lives: int = 1


class OtherTwin(pydantic.BaseModel):
    lives: int = 1


class Home(pydantic.BaseModel):
    pet: Cat | Dog = pydantic.Field(discriminator="kind")
    url: pydantic.HttpUrl
    folder: pathlib.Path = pathlib.Path("/srv")
    address: ipaddress.IPv4Address = ipaddress.IPv4Address("10.0.0.1")
    _since: datetime = pydantic.PrivateAttr(AUTUMN)


class Page(pydantic.BaseModel, Generic[T]):
    items: list[T]
    at: datetime | None = None


class Extra(pydantic.BaseModel, extra="allow"):
    a: int


class Hidden(pydantic.BaseModel):
    password: pydantic.SecretStr


class Shown(Hidden):
    @pydantic.field_serializer("password")
    def _told(self, password: pydantic.SecretStr) -> str:
        return password.get_secret_value()


class Names(pydantic.RootModel[list[str]]):
    pass


class Renamed(pydantic.BaseModel):
    unit_price: Decimal = pydantic.Field(alias="unitPrice")


class Shape(TypedDict):
    at: date


class Texts(list[str]):
    pass


class Words(dict[str, str]):
    pass


class Whole(int):
    pass


PETS = Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]
HOME = Home(pet=Dog(), url=pydantic.HttpUrl("https://shop.example/a?b=1"))

ALONE: dict[str, Any] = {
    "None": None,
    "bool": True,
    "int": 3,
    "a large int": 10**40,
    "float": 0.1,
    "infinity": float("inf"),
    "negative zero": -0.0,
    "str": "ü\0",
    "bytes": b"\xff",
    "list": [1, [2]],
    "tuple": (1, (2,)),
    "set": {1, 2},
    "frozenset": frozenset({(1, 2)}),
    "dict": {"b": 1, "a": [None]},
    "dict by numbers": {1: "a", 2.5: "b"},
    "dict by dates": {date(2026, 1, 1): "a"},
    "datetime": datetime(2026, 1, 1, 0, 30),
    "datetime in UTC": datetime(2026, 1, 1, tzinfo=UTC),
    "datetime with an offset": datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2), "X")),
    "datetime in a zone": AUTUMN,
    "date": date(2026, 1, 1),
    "time": time(9, fold=1),
    "time in a zone": time(9, tzinfo=BERLIN),
    "timedelta": timedelta(days=-1, microseconds=1),
    "Decimal": Decimal("1.50"),
    "UUID": UUID(int=1),
    "IPv4Address": ipaddress.ip_address("10.0.0.1"),
    "IPv6Interface": ipaddress.ip_interface("fe80::1%eth0/64"),
    "IPv4Network": ipaddress.ip_network("10.0.0.0/8"),
    "Fraction": Fraction(1, 3),
    "HttpUrl": pydantic.HttpUrl("http://shop.example"),
    "PostgresDsn": pydantic.PostgresDsn("postgresql://a@b,c/d"),
}
"""What comes back without an annotation, too."""
BY_TYPE: dict[str, tuple[Any, Any]] = {
    "StrEnum": (Word.A, Word),
    "IntEnum": ([Number.ONE], list[Number]),
    "Enum as a key": ({Colour.RED: 1}, dict[Colour, int]),
    "Enum of what has no JSON": (Parts.ALL, Parts),
    "Flag": (Right.READ | Right.WRITE, Right),
    "IntFlag": (Bits.ONE | Bits.TWO, Bits),
    "dataclass": (Moment(AUTUMN), Moment),
    "frozen dataclass": (Slotted(ipaddress.IPv4Address("10.0.0.1")), Slotted),
    "dataclass with a computed field": ([Later(1)], Sequence[Later]),
    "NamedTuple": (Pair(AUTUMN, [Word.A]), Pair),
    "namedtuple": (Untyped(1, "b"), Untyped),
    "Struct": (Struct(pathlib.Path("/a"), AUTUMN), Struct),
    "union of Structs": ([Other(pathlib.Path("/a"), AUTUMN), None], list[Struct | Other | None]),
    "model": (HOME, Home),
    "union of models": ([Cat(), Dog(lives=1)], list[Cat | Dog]),
    "discriminated union": ({"a": Dog()}, dict[str, PETS]),
    "models that look alike": ([OtherTwin(), Twin()], list[Twin | OtherTwin]),
    "model or text": (Cat(), Cat | str),
    "model or dataclass": ((Moment(AUTUMN), Cat()), tuple[Moment | Cat, Moment | Cat]),
    "model of models": (Page[Dog | Cat](items=[Cat(), Dog()], at=AUTUMN), Page[Dog | Cat]),
    "model with more": (Extra.model_validate({"a": 1, "b": [2]}), Extra),
    "model with an alias": (Renamed(unitPrice=Decimal("1.50")), Mapping | Renamed),
    "models, iterable": ([Dog()], Iterable[Dog]),
    "RootModel": (Names(["a"]), Names),
    "secret that may be stored": (Shown(password=pydantic.SecretStr("x")), Shown),
    "TypedDict": ({"at": date(2026, 1, 1)}, Shape),
}
PATHS: dict[str, tuple[Any, Any]] = {
    "Path": (pathlib.Path("/a/../b"), pathlib.Path),
    "PurePath": ([pathlib.PureWindowsPath("c:/a")], list[pathlib.PureWindowsPath]),
}
REFUSED: dict[str, tuple[Any, str]] = {
    "a secret": (pydantic.SecretStr("x"), "would be stored readable; leave it out"),
    "a secret in a model": (Hidden(password=pydantic.SecretStr("x")), r"\.password is .*SecretStr.*field_serializer"),
    "defaultdict": (defaultdict(int, a=1), r"use dict\(…\)"),
    "OrderedDict": (OrderedDict(a=1), r"use dict\(…\)"),
    "Counter": (Counter("ab"), r"use dict\(…\)"),
    "subclass of dict": (Words(a="b"), r"use dict\(…\)"),
    "mappingproxy": (MappingProxyType({"a": 1}), r"use dict\(…\)"),
    "ChainMap": (ChainMap({"a": 1}), r"use dict\(…\)"),
    "UserDict": (UserDict(a=1), r"use dict\(…\)"),
    "subclass of list": (Texts(["a"]), r"use list\(…\)"),
    "deque": (deque([1]), r"use list\(…\)"),
    "range": (range(3), r"use list\(…\)"),
    "generator": (iter([1]), r"use list\(…\)"),
    "dict_keys": ({"a": 1}.keys(), r"use list\(…\)"),
    "bytearray": (bytearray(b"a"), r"use bytes\(…\)"),
    "memoryview": (memoryview(b"a"), r"use bytes\(…\)"),
    "subclass of int": (Whole(1), "Whole"),
    "complex": (1j, "complex"),
    "Pattern": (re.compile("a"), "Pattern"),
    "SimpleNamespace": (SimpleNamespace(a=1), "SimpleNamespace"),
    "an error": (ValueError("a"), "ValueError"),
    "an object": (object(), "object"),
}
ONLY_UNDECLARED = {"bytearray", "memoryview"}
ARGUMENTS_TOO = {
    *("a secret", "a secret in a model", "defaultdict", "OrderedDict", "Counter", "subclass of dict"),
    *("subclass of list", "subclass of int", "Pattern"),
}
"""What is refused as a result, and tells calls apart as an argument."""


def function(argument: Any) -> Any:
    return argument


def definition(declared: Any) -> Definition:
    def result() -> None: ...

    result.__annotations__["return"] = declared
    return Definition.of(result, None, (), None, None)


def check_same(value: Any, back: Any) -> None:
    assert type(back) is type(value)
    assert back == value
    assert repr(back) == repr(value) or isinstance(value, set | frozenset)
    if isinstance(value, datetime):
        assert (back.utcoffset(), back.tzname()) == (value.utcoffset(), value.tzname())
        assert (back + timedelta(days=180)).utcoffset() == (value + timedelta(days=180)).utcoffset()


def key(argument: Any) -> str:
    return Definition.of(function, None, (), None, None).key_of((argument,), {})


@pytest.mark.parametrize(
    ("value", "declared"), [*((value, type(value)) for value in ALONE.values()), *BY_TYPE.values()]
)
def test_a_result_comes_back_as_it_was(value: Any, declared: Any) -> None:
    for each in (declared, Annotated[declared, "x"], declared | None):
        result = definition(each)
        check_same(value, result.codec.decode(result.encode(value)))


@pytest.mark.parametrize("value", ALONE.values(), ids=ALONE)
def test_plain_kinds_come_back_whatever_is_declared_and_wherever_they_are(value: Any) -> None:
    for declared in (Any, object, Cat, dict[str, Any]):
        for packed in (value, [value], {"a": (value,)}):
            result = definition(declared)
            check_same(packed, result.codec.decode(result.encode(packed)))


@pytest.mark.parametrize("value", [value for value, _ in BY_TYPE.values() if not isinstance(value, dict)])
def test_an_instance_of_a_class_needs_the_annotation(value: Any) -> None:
    with pytest.raises(UsageError, match=r"declare the function's return type|would be stored readable"):
        definition(Any).encode(value)


@pytest.mark.parametrize(("value", "declared"), PATHS.values(), ids=PATHS)
def test_paths_are_results_and_no_arguments(value: Any, declared: Any) -> None:
    for each in (declared, Any):
        result = definition(each)
        check_same(value, result.codec.decode(result.encode(value)))
    with pytest.raises(UsageError, match=r"use str\(…\) of it"):
        key(value)


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_come_back_as_something_else_says_what_to_return(name: str) -> None:
    value, message = REFUSED[name]
    for declared in (Any, type(value)):
        if declared is Any or name not in ONLY_UNDECLARED:
            with pytest.raises(UsageError, match=message if declared is not Any else f"{message}|declare the function"):
                definition(declared).encode(value)
    if name not in ARGUMENTS_TOO:
        with pytest.raises(UsageError, match=message):
            key(value)


def test_every_other_kind_tells_calls_apart() -> None:
    values = [*ALONE.values(), *(value for value, _ in BY_TYPE.values()), *(REFUSED[name][0] for name in ARGUMENTS_TOO)]
    without_paths = [value for value in values if "Path(" not in repr(value)]
    keys = [key(value) for value in without_paths]
    assert len(set(keys)) == len(keys)
    assert [key(value) for value in without_paths] == keys


kinds = st.sampled_from([(value, type(value)) for value in ALONE.values()] + list(BY_TYPE.values()))


@given(st.lists(kinds, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_any_of_them_come_back_together(found: list[tuple[Any, Any]]) -> None:
    values = tuple(value for value, _ in found)
    result = definition(tuple.__class_getitem__(tuple(declared for _, declared in found)))
    check_same(values, result.codec.decode(result.encode(values)))
