"""Which calls of a cached function are the same (R5.21, R5.30, R5.31)."""

from __future__ import annotations

import dataclasses
import functools
import linecache
import os
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond import cached
from millpond.cache.functions.definition import Definition
from millpond.cache.functions.identity import encode_identity, identity
from millpond.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclasses.dataclass
class Point:
    x: int
    y: Any = 0


@dataclasses.dataclass
class Other:
    x: int
    y: Any = 0


class Pair(msgspec.Struct):
    a: Any
    b: Any = None


class Item(pydantic.BaseModel):
    a: Any
    b: Any = None


class Renamed(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    a: int = pydantic.Field(alias="x")


class Remembering(pydantic.BaseModel):
    a: int

    @functools.cached_property
    def twice(self) -> int:
        return 2 * self.a


class Tuple2(NamedTuple):
    a: int
    b: int


class Color(Enum):
    RED = 1
    CRIMSON = 1  # noqa: PIE796 - an alias
    BLUE = 2


class Other2(Enum):
    RED = 1


class Size(StrEnum):
    S = "s"


class Level(IntEnum):
    ONE = 1


class Right(Flag):
    READ = 1
    WRITE = 2
    RUN = 4


NOON = datetime(2026, 1, 1, 12)
ALIKE: list[Any] = [
    1, True, 1.0, "1", b"1", Decimal(1), Decimal("1.0"), [1], (1,), {1}, {"a": 1}, {"a": True}, {"a": "1"}, {1: 1},
    {"1": 1}, 0, False, 0.0, -0.0, None, "", b"", [], (), set(), {}, "None", float("inf"), float("nan"), 2**70,
    -(2**70),
    NOON, NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=timezone(timedelta(hours=1))), NOON.isoformat(), NOON.date(),
    NOON.time(), NOON.time().replace(tzinfo=UTC), timedelta(1), timedelta(seconds=1), 86400,
    UUID(int=1), str(UUID(int=1)), Point(1), Other(1), Point(1, [1]), Point(1, (1,)), Pair(1), Pair(1, 2), Item(a=1),
    Item(a=1, b=2), Tuple2(1, 2), (1, 2), [1, 2], [[1], 2], [[1, 2]], Color.RED, Color.BLUE, Other2.RED, Size.S, "s",
    Level.ONE, Right.READ, Right.READ | Right.WRITE, Right.READ | Right.RUN, Right(0), "\ud800", "\ud801",
    {"a": {"b": 1}}, {"a": ["b", 1]}, frozenset({(1, 2)}), frozenset({(1,), (2,)}),
    Counter({"a": 1}), Counter(), OrderedDict(a=1, b=2), OrderedDict(b=2, a=1), {"a": 1, "b": 2}, frozenset({1}),
    defaultdict(int), defaultdict(list), defaultdict(None), Renamed.model_validate({"x": 1, "a": 3}),
    Renamed.model_validate({"x": 2, "a": 3}),
]  # fmt: skip
EQUAL: list[tuple[Any, Any]] = [
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({1, 2, 3}, {3, 2, 1}),
    (Color.RED, Color.CRIMSON),
    (Point(1, {"a": {1, 2}}), Point(1, {"a": {2, 1}})),
    (float("nan"), float("nan")),
    (Pair([1]), Pair([1])),
    (Item(a={"x": 1, "y": 2}), Item(a={"y": 2, "x": 1})),
]


def written(value: Any) -> bytes:
    return encode_identity(identity(value, "v"))


def test_values_that_look_alike_are_different_arguments() -> None:
    found: dict[bytes, Any] = {}
    for value in ALIKE:
        key = written(value)
        assert key not in found, f"{value!r} and {found[key]!r}"
        found[key] = value


@pytest.mark.parametrize(("a", "b"), EQUAL)
def test_equal_values_are_one_argument(a: Any, b: Any) -> None:
    assert written(a) == written(b)


def test_what_a_model_remembers_does_not_make_it_another_argument() -> None:
    model = Remembering(a=1)
    before = written(model)
    assert model.twice == 2
    assert written(model) == before


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def exactly(value: Any) -> Any:
    """A value in which equal means the same type, too."""
    if isinstance(value, list):
        return ("list", *map(exactly, value))
    if isinstance(value, dict):
        return ("dict", *sorted((key, repr(exactly(item))) for key, item in value.items()))
    return (type(value).__name__, repr(value))


@given(plain, plain)
def test_two_values_share_a_key_only_when_they_are_the_same(a: Any, b: Any) -> None:
    assert (written(a) == written(b)) is (exactly(a) == exactly(b))


# Functions


def key(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    return Definition.of(function, None, (), None, None).key_of(args, kwargs)


def documented(a: int, b: int = 2, *rest: int, c: int = 3, **more: int) -> None: ...


def test_it_does_not_matter_how_an_argument_is_passed() -> None:
    assert key(documented, 1) == key(documented, a=1) == key(documented, 1, 2) == key(documented, 1, b=2, c=3)
    assert key(documented, 1, x=1, y=2) == key(documented, 1, y=2, x=1)


def test_arguments_are_told_apart_by_their_names() -> None:
    keys = [key(documented, 1), key(documented, 1, 2, 3), key(documented, 1, c=1), key(documented, 1, x=1)]
    assert len(set(keys)) == 4


def test_arguments_that_do_not_fit_are_a_type_error() -> None:
    with pytest.raises(TypeError, match="missing a required argument"):
        key(documented)


def test_lambdas_in_one_line_are_different_functions() -> None:
    a, b = (lambda: 1), (lambda: 2)
    assert key(a) != key(b)


def test_what_a_function_closes_over_is_part_of_its_key() -> None:
    def of(n: Any) -> Callable[[], Any]:
        return lambda: n

    assert key(of(1)) != key(of(2))
    assert key(of(1)) == key(of(1))
    assert key(of(1)) != key(of(True))


def test_a_function_that_is_closed_over_counts_with_what_it_does_and_closes_over() -> None:
    def calling(inner: Any) -> Callable[[], Any]:
        return lambda: inner()

    def of(n: Any) -> Callable[[], Any]:
        return lambda: n

    assert key(calling(lambda: 1)) != key(calling(lambda: 2))
    assert key(calling(of(1))) != key(calling(of(2)))
    assert key(calling(of(1))) == key(calling(of(1)))
    assert key(calling(len)) != key(calling(max))
    assert key(calling(Point)) != key(calling(Other))
    assert key(calling(os)) != key(calling(sys))


def test_decorated_functions_are_told_apart() -> None:
    def once(function: Callable[[], Any]) -> Callable[[], Any]:
        @functools.wraps(function)
        def call() -> Any:
            return function()

        return call

    def twice(function: Callable[[], Any]) -> Callable[[], Any]:
        @functools.wraps(function)
        def call() -> Any:
            return [function(), function()]

        return call

    def of(n: int) -> Callable[[], int]:
        def inner() -> int:
            return n

        return inner

    assert key(once(of(1))) != key(twice(of(1)))
    assert key(once(of(1))) != key(once(of(2)))


def test_a_function_that_calls_itself_has_a_key() -> None:
    @cached
    def fact(n: int) -> int:
        return 1 if n == 0 else n * int(fact(n - 1))

    assert fact(4) == 24
    assert key(fact.__wrapped__, 4)  # type: ignore[attr-defined]  # functools.wraps sets it


def test_what_can_not_be_told_is_refused_and_the_option_key_replaces_it() -> None:
    def of(connection: object) -> Callable[[], int]:
        return lambda: id(connection)

    with pytest.raises(UsageError, match=r'closed over "connection" is of type object.*@cached\(key=\[…\]\)'):
        key(of(object()))
    definitions = [Definition.of(of(object()), None, (), (name,), None) for name in ("a", "b", "a")]
    a, b, again = [definition.key_of((), {}) for definition in definitions]
    assert (a == again, a == b) == (True, False)


class Weird:
    """No data."""


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (object(), 'the argument "a" is of type object'),
        (Weird(), r'the argument "a" is of type \w+\.Weird'),
        ([1, {"x": Weird()}], r'the argument "a"\[1\]\[\'x\'\] is of type'),
        (Point(1, Weird()), r'the argument "a"\.y is of type'),
        (Item(a=Weird()), r'the argument "a"\.a is of type'),
        ({Weird(): 1}, 'the argument a key of "a" is of type'),
        (Path("x"), 'the argument "a" is of type pathlib'),
        (len, 'the argument "a" is of type builtin_function'),
        (type("Local", (), {"__qualname__": "f.<locals>.Local"}), 'the argument "a" is of type type, a class that a'),
        (1j, 'the argument "a" is of type complex'),
        (bytearray(b"x"), 'the argument "a" is of type bytearray'),
    ],
)
def test_an_argument_that_is_no_data_is_named_with_its_type(argument: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        key(documented, argument)


def test_an_argument_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UsageError, match="contains itself"):
        key(documented, endless)
    with pytest.raises(UsageError, match=r'closed over "endless" .* contains itself'):
        key(lambda: endless)


# Over processes, and edits

PROGRAM = """
import sys
from millpond.cache.functions.definition import Definition
def make(n):
    words = {"a", "b", "c"}
    def inner(x): return x in {"a", "b", "c"} and n
    def value(x, y=frozenset({"p", "q", "r"})):
        return inner(x), x in {"one", "two", "three"}, words
    return value
exec("def made(): return {1: 'x'}, 'x' in {'k', 'l', 'm'}")
print(Definition.of(make(5), None, (), None, None).key_of(({"x", "y", "z"},), {}), end=" ")
print(Definition.of(made, None, (), None, None).key_of((), {}), end="")
"""


def test_a_key_is_the_same_in_every_process(tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM, "utf-8")
    found = {
        subprocess.run(
            [sys.executable, str(file)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(found) == 1


def loaded(folder: Path, source: str) -> Callable[..., Any]:
    """The function `value` of a module with this source, always of the same name."""
    file = folder / "edited.py"
    file.write_text(source, "utf-8")
    linecache.checkcache()
    names: dict[str, Any] = {"__name__": "edited"}
    exec(compile(source, str(file), "exec", dont_inherit=True), names)  # noqa: S102 - the source is this test's
    function: Callable[..., Any] = names["value"]
    return function


EDITS = {
    "another constant": "def value(): return 2",
    "another name inside": "def value(): return one",
    "another comment": "def value(): return 1  # really",
    "another return type": "def value() -> int: return 1",
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_function_finds_nothing_of_its_old_results(tmp_path: Path, edit: str) -> None:
    before = key(loaded(tmp_path, "def value(): return 1"))
    assert key(loaded(tmp_path, edit)) != before
    assert key(loaded(tmp_path, "def value(): return 1")) == before


def test_a_function_that_only_moved_keeps_its_results(tmp_path: Path) -> None:
    before = key(loaded(tmp_path, "def value(): return 1"))
    assert key(loaded(tmp_path, "\n\n\ndef value(): return 1")) == before


CLASSES = {
    "dataclass": """
import dataclasses
@dataclasses.dataclass
class Product:
    name: str{}
def value() -> list[Product]: ...
""",
    "Struct": """
import msgspec
class Product(msgspec.Struct):
    name: str{}
def value() -> Product | None: ...
""",
    "model": """
import pydantic
class Product(pydantic.BaseModel):
    name: str{}
def value() -> dict[str, Product]: ...
""",
}


@pytest.mark.parametrize("source", CLASSES.values(), ids=CLASSES)
def test_an_edited_class_of_results_finds_nothing_of_its_old_ones(tmp_path: Path, source: str) -> None:
    """They may not fit: a field that has no default is missing in what is stored."""
    before = key(loaded(tmp_path, source.format("")))
    assert key(loaded(tmp_path, source.format("\n    price: int"))) != before
    assert key(loaded(tmp_path, source.format(""))) == before
