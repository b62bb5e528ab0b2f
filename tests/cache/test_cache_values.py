"""Results of cached functions as bytes: what was returned comes back exactly, or the first call says so (R5.31)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable  # noqa: TC003 - pydantic reads it
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.cache.functions.definition import Definition
from millpond.cache.functions.values import Codec
from millpond.errors import UsageError

T = TypeVar("T")


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Line:
    a: Point
    b: Point | None
    made: datetime
    price: Decimal


class Pair(msgspec.Struct, Generic[T]):
    a: T
    b: set[int] = set()


class Tagged(msgspec.Struct, tag=True):
    a: int


class AlsoTagged(msgspec.Struct, tag=True):
    a: int


class Item(pydantic.BaseModel):
    price: Decimal = pydantic.Field(alias="unitPrice")
    when: datetime
    names: set[str] = set()
    inner: list[Item] = []

    @pydantic.field_serializer("price")
    def show(self, price: Decimal) -> str:
        return f"{price} EUR"


class Strict(pydantic.BaseModel, strict=True, extra="forbid"):
    price: Decimal
    key: UUID


class Names(pydantic.RootModel[list[str]]):
    pass


class Open(pydantic.BaseModel, extra="allow"):
    a: int


class Color(Enum):
    RED = "r"


class Level(IntEnum):
    ONE = 1


class Named(NamedTuple):
    a: int
    b: str


class Shape(TypedDict):
    name: str
    at: date


class Custom:
    """Neither msgspec nor pydantic knows it."""


@dataclasses.dataclass
class Held:
    inner: Point


class Computing(pydantic.BaseModel):
    compute: Callable[[], int]


NOON = datetime(2026, 1, 1, 12, 30, 15, 123456)
EAST = timezone(timedelta(hours=2))
BERLIN = ZoneInfo("Europe/Berlin")


def through(value: object, declared: object = None) -> Any:
    codec = Codec(declared, "value()")
    return codec.decode(codec.encode(value))


PLAIN: list[Any] = [
    None, True, 0, -5, 2**63, -(2**63), 2**200, -(2**200), 1.5, float("inf"), "", "é\0", b"\xff", [], [1, [2]],
    (), (1, (2,)), {1, 2}, frozenset({(1, 2)}), {"a": {"b": (1,)}}, {1: "x", None: "y", b"k": 1, 1.5: 2}, NOON,
    NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=EAST), NOON.date(), NOON.time(), NOON.time().replace(tzinfo=EAST),
    timedelta(-1, 5, 7), Decimal("1.50"), Decimal("-Infinity"), UUID(int=7),
    {UUID(int=1): 1, date(2026, 1, 1): {2}, Decimal(3): 4}, NOON.replace(fold=1), NOON.replace(tzinfo=BERLIN, fold=1),
    NOON.time().replace(tzinfo=BERLIN), NOON.replace(tzinfo=timezone(timedelta(seconds=-5), "NAME")),
    {"rows": [{"id": UUID(int=1), "price": Decimal("1.0"), "at": NOON, "seen": {1}}]},
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:40])
@pytest.mark.parametrize("declared", [None, dict[str, Any], list, int], ids=["undeclared", "dict", "list", "int"])
def test_plain_data_comes_back_with_its_types_whatever_was_declared(value: Any, declared: object) -> None:
    back = through(value, declared)
    assert (back, type(back), repr(back)[:500]) == (value, type(value), repr(value)[:500])


def test_a_number_of_any_length_comes_back() -> None:
    assert through(10**5_000) == 10**5_000


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.datetimes(timezones=st.none() | st.just(UTC))
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
)
data = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text("ab"), inner, max_size=3)
        | st.sets(scalars, max_size=3)
    ),
    max_leaves=8,
)


@given(data)
def test_any_plain_data_comes_back(value: Any) -> None:
    back = through(value)
    assert back == value
    assert type(back) is type(value)


NAN = float("nan")


def test_nan_comes_back() -> None:
    assert through([NAN])[0] != through([NAN])[0]
    assert through(Point(1, NAN), Point).y != 0


DECLARED: list[tuple[Any, Any]] = [
    (Point(1, 2.5, ["a"]), Point),
    (Point(1, 2), Point),
    ([Point(1), Point(2)], list[Point]),
    ({"a": Point(1)}, dict[str, Point]),
    ({UUID(int=1): Point(1)}, dict[UUID, Point]),
    ((Point(1), 2), tuple[Point, int]),
    (Point(1), Point | None),
    (None, Point | None),
    (Line(Point(1), None, NOON.replace(tzinfo=EAST), Decimal("1.50")), Line),
    (Line(Point(1), Point(2), NOON, Decimal(2)), Line),
    (Pair(Point(1), {1, 2}), Pair[Point]),
    (Pair(3), Pair[int]),
    (Pair(Decimal(1)), Pair[Any]),
    (Pair((1, 2)), Pair[Any]),
    ({NOON: Point(1)}, dict[datetime, Point]),
    ([Tagged(1), AlsoTagged(1)], list[Tagged | AlsoTagged]),
    (Item(unitPrice=Decimal("1.50"), when=NOON, names={"a"}), Item),
    (Item(unitPrice=Decimal(1), when=NOON, inner=[Item(unitPrice=Decimal(2), when=NOON)]), Item | None),
    ([Item(unitPrice=Decimal(1), when=NOON)], list[Item]),
    (Strict(price=Decimal("1.5"), key=UUID(int=1)), Strict),
    (Names(["a"]), Names),
    (Open(a=1, extra="x"), Open),  # type: ignore[call-arg]  # extra = "allow"
    (Color.RED, Color),
    ([Color.RED, None], list[Color | None]),
    (Level.ONE, Level),
    (Named(1, "x"), Named),
    ({"name": "x", "at": date(2026, 1, 1)}, Shape),
    (Point(1), Pair[int] | Point),
    (Point(1), Item | Point),
]


@pytest.mark.parametrize(("value", "declared"), DECLARED, ids=lambda value: repr(value)[:40])
def test_classes_come_back_by_the_declared_type(value: Any, declared: Any) -> None:
    back = through(value, declared)
    assert back == value
    assert type(back) is type(value)
    assert back is not value or value is None or isinstance(value, Enum)


REFUSED: list[tuple[Any, Any, str]] = [
    (Point(1), None, r"the result of value\(\) is of type .*Point; declare the function's return type"),
    ([{"a": Point(1)}], None, r"value\(\)\[0\]\['a'\] is of type .*Point; declare"),
    (Color.RED, None, "declare the function's return type"),
    (Named(1, "x"), None, "declare the function's return type"),
    (object(), None, r"the result of value\(\) is of type object"),
    (object(), object, "is of type object"),
    ({"a": Point(1)}, dict[str, Any], r"value\(\)\['a'\] is of type .*Point, and would be decoded as dict"),
    ([Point(1), Decimal(1)], list[Any], r"would be decoded as dict; declare the return type more exactly"),
    (Point("x"), Point, "which the declared return type can't decode"),  # type: ignore[arg-type]  # what users do
    (Point(1), int, "which the declared return type can't decode"),
    ({(1, 2): Point(1)}, None, r"a key of the result of value\(\) is of type tuple"),
    ({"inner": Point(1)}, Held, r"the result of value\(\) is of type dict, and would be decoded as Held"),
    (Point(1), Custom, r"which the declared return type can't decode \(.*Custom isn't plain data"),
    ("\ud800", None, "surrogates not allowed"),
    (["\ud800", Point(1)], list[Any], "surrogates not allowed"),
]


@pytest.mark.parametrize(("value", "declared", "message"), REFUSED, ids=[f"{n}" for n in range(len(REFUSED))])
def test_what_would_not_come_back_is_refused_at_the_first_call(value: Any, declared: Any, message: str) -> None:
    def function() -> None: ...

    definition = Definition.of(function, None, (), None, None)
    definition.__dict__["codec"] = Codec(declared, "value()")
    with pytest.raises(UsageError, match=message):
        definition.encode(value)


def test_a_result_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)

    def function() -> None: ...

    with pytest.raises(UsageError, match="contains itself"):
        Definition.of(function, None, (), None, None).encode(endless)


def test_each_reader_gets_a_copy() -> None:
    codec = Codec(list[Point], "value()")
    for value in ([1, [2]], [Point(1, tags=["a"])]):
        written = codec.encode(value)
        first: Any = codec.decode(written)
        first.append("mine")
        assert codec.decode(written) == value


def unresolvable() -> Nowhere:  # type: ignore[name-defined]  # noqa: F821 - a name for type checkers only
    ...


def test_a_return_type_that_is_not_there_counts_as_none_given() -> None:
    definition = Definition.of(unresolvable, None, (), None, None)
    assert definition.codec.decode(definition.encode({"a": Decimal(1)})) == {"a": Decimal(1)}


def test_what_a_declared_class_consists_of_is_part_of_the_key() -> None:
    shapes = {Codec(declared, "value()").shape for declared in (Point, Line, Item, Custom, Computing, list[Point])}
    assert len(shapes) == 6
    assert b"" not in shapes
    assert b"Custom" in Codec(Custom, "value()").shape
    assert b"compute" in Codec(Computing, "value()").shape


def test_a_declared_type_that_nothing_can_be_read_back_by_leaves_plain_data_alone() -> None:
    codec = Codec(set[int] | list[int], "value()")
    assert codec.shape == b""
    assert codec.decode(codec.encode([1, 2])) == [1, 2]
