"""The JSON of what handlers return, held against what FastAPI makes of it."""

from __future__ import annotations

import math
import re
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum, IntEnum, IntFlag, StrEnum
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest
from fastapi.encoders import jsonable_encoder
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, RootModel, SecretStr, computed_field, field_serializer
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.responses import JSONResponse

from millpond.routes.results.encoding import json_bytes


class Colour(Enum):
    RED = "red"
    WHEN = date(2030, 1, 2)  # FastAPI looks no further than at the value, and can't write this one


class Size(StrEnum):
    SMALL = "s"


class Level(IntEnum):
    LOW = 1


class Flags(IntFlag):
    A = 1
    B = 2


class Odd(int, Enum):
    """One whose value isn't the number that it is."""

    ONE = (1, "one")

    def __new__(cls, number: int, value: str) -> Odd:
        member = int.__new__(cls, number)
        member._value_ = value
        return member

    def __repr__(self) -> str:
        return "Odd.ONE"


class OddText(str, Enum):  # noqa: UP042 - a StrEnum's text is always its value
    ONE = ("text", "one")

    def __new__(cls, text: str, value: str) -> OddText:
        member = str.__new__(cls, text)
        member._value_ = value
        return member


class Text(str):
    pass


class Number(int):
    def __repr__(self) -> str:
        return "a number"


class Backwards(list[Any]):
    def __iter__(self) -> Any:
        return reversed(list(super().__iter__()))


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclass
class Point:
    x: Any
    _sa_state: str = "hidden"
    y: float = field(default=0.5)


@dataclass
class Named(dict[str, Any]):
    """A dict that is a dataclass: FastAPI takes it for the latter."""

    name: str = "n"


class Plain:
    def __init__(self, value: Any) -> None:
        self.value = value
        self._sa_hidden = "hidden"


class Slotted:
    __slots__ = ("value",)


class Packed(msgspec.Struct):
    value: int = 1


class Model(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    name: str = Field(default="n", alias="fullName")
    value: Any = None
    when: datetime = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    secret: SecretStr = SecretStr("hidden")
    ratio: float = 1.5
    raw: bytes = b"raw"
    hidden: str = Field(default="hidden", exclude=True)

    @computed_field
    def shouted(self) -> str:
        return self.name.upper()

    @field_serializer("ratio")
    def _in_percent(self, ratio: float) -> str:
        return f"{ratio:.0%}"


class Items(RootModel[list[Any]]):
    pass


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "rows"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@dataclass
class Lazily:
    """Stands for a generator, which can be looked at only once."""

    items: list[Any]


def awake(value: Any) -> Any:
    """`value`, with generators in it."""
    if isinstance(value, Lazily):
        return (awake(item) for item in value.items)
    if type(value) in (list, tuple, set, deque):
        return type(value)(awake(item) for item in value)
    if type(value) is dict:
        return {key: awake(item) for key, item in value.items()}
    return value


numbers = st.one_of(st.integers(), st.integers(-(10**40), 10**40), st.floats(), st.booleans(), st.decimals())
moments = st.one_of(
    st.datetimes(timezones=st.sampled_from([None, UTC, timezone(timedelta(hours=2))])),
    st.dates(),
    st.times(),
    st.timedeltas(),
)
texts = st.one_of(st.text(), st.text(st.characters(), max_size=3), st.sampled_from(["_sa", "_sa_x", "a_sa"]))
ODDITIES: list[Any] = [
    None,
    b"bytes",
    b"\xff",
    bytearray(b"a"),
    Colour.RED,
    Colour.WHEN,
    Size.SMALL,
    Level.LOW,
    Flags.A | Flags.B,
    Odd.ONE,
    OddText.ONE,
    Text("text"),
    Text("_sa"),
    Number(3),
    Path("/a/b"),
    PurePosixPath("a"),
    IPv4Address("10.0.0.1"),
    IPv6Network("2001:db8::/32"),
    UUID(int=1),
    SecretStr("hidden"),
    re.compile("a+"),
    Named(name="n"),
    Slotted(),
    Packed(),
    Row(id=1, name="r"),
    1j,
    range(3),
    object(),
    int,
    Model,
    ...,
    len,
]
leaves = st.one_of(numbers, texts, moments, st.sampled_from(ODDITIES))
ODD_KEYS: list[Any] = [1, 1.5, None, True, UUID(int=1), Size.SMALL, Odd.ONE, OddText.ONE, (1, 2), date(2030, 1, 1)]
keys = st.one_of(texts, st.sampled_from(ODD_KEYS))


def nested(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(children, max_size=4)
    return st.one_of(
        lists,
        lists.map(tuple),
        lists.map(deque),
        lists.map(Backwards),
        lists.map(Lazily),
        st.sets(st.one_of(st.integers(), st.text(max_size=2)), max_size=4),
        st.frozensets(st.integers(), max_size=4),
        st.dictionaries(st.text(max_size=4), children, max_size=4),
        st.dictionaries(keys, children, max_size=4),
        st.dictionaries(st.text(max_size=3), children, max_size=3).map(OrderedDict),
        st.dictionaries(st.text(max_size=3), children, max_size=3).map(lambda found: defaultdict(list, found)),
        st.builds(Pair, children, children),
        st.builds(Point, children),
        st.builds(Plain, children),
        st.builds(Model, value=children),
        lists.map(Items),
    )


values = st.recursive(leaves, nested, max_leaves=12)


def outcome(make: Any, value: Any) -> bytes | type[Exception]:
    try:
        body: bytes = make(awake(value))
    except Exception as error:  # noqa: BLE001 - what is raised is the outcome
        return type(error)
    return body


def fastapis(value: Any) -> bytes:
    return bytes(JSONResponse(jsonable_encoder(value)).body)


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydantic's, about what its Any field is given
@given(values)
@example({"a": [1, 2.5, None, True, "é\u2028\x7f\x1f"]})
@example({"_sa_x": 1, "x": "_sa"})
@example([{"_sa_x": Lazily([1])}])
@example([Odd.ONE, {Odd.ONE: Odd.ONE}])
@example({"a": math.nan})
@example([1e16, 1e-5, 9999999999999998.0, 0.0001, -0.0, 5e-324])
@example("\ud800")
@example({"\ud800": 1})
@example([Lazily([1]), math.inf])
@example([Lazily([1]), "\ud800"])
@example([10**5000])
@example(Named(name="n"))
@example(Point(defaultdict(list, {"": Slotted()})))
def test_every_value_becomes_the_bytes_or_the_error_that_fastapi_makes_of_it(value: Any) -> None:
    assert outcome(json_bytes, value) == outcome(fastapis, value)


@pytest.mark.parametrize("value", ODDITIES, ids=lambda value: type(value).__name__)
def test_what_is_odd_is_so_wherever_it_stands(value: Any) -> None:
    for whole in (value, [value], {"a": value}, Point(value), Plain(value), Items([value])):
        assert outcome(json_bytes, whole) == outcome(fastapis, whole)


@pytest.mark.parametrize("key", ODD_KEYS, ids=lambda key: type(key).__name__)
def test_keys_that_are_no_text_are_written_as_fastapi_writes_them(key: Any) -> None:
    for whole in ({key: 1}, [{"a": {key: key}}]):
        assert outcome(json_bytes, whole) == outcome(fastapis, whole)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_written_as_fastapi_writes_it(value: float) -> None:
    assert json_bytes([value]) == fastapis([value])


own = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
    lambda children: st.one_of(st.lists(children), st.dictionaries(st.text(), children)),
)


@given(own)
def test_what_json_has_itself_is_written_alike(value: Any) -> None:
    assert outcome(json_bytes, value) == outcome(fastapis, value)


def test_what_contains_itself_fails_and_does_not_hang() -> None:
    endless: list[Any] = []
    endless.append({"again": endless})
    with pytest.raises(RecursionError):
        json_bytes(endless)


@pytest.mark.parametrize("depth", [100, 400])
def test_depth_is_no_obstacle(depth: int) -> None:
    value: Any = datetime(2030, 1, 1)
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    assert json_bytes(value) == fastapis(value)
