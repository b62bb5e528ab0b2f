"""Keys of decorated functions, methods, and arguments that are hard to tell apart."""

from __future__ import annotations

import functools
import io
import operator
import re
import struct
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from textwrap import dedent
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel

from millpond import cached
from millpond.cache.functions.definition import Definition
from millpond.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ponds import Project

pytestmark = pytest.mark.anyio


def key(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    return Definition.of(function, None, (), None, None).key_of(args, kwargs)


def report(*args: Any) -> Any:
    return args


class Region:
    """A decorator that keeps what it is about in an object, with a state."""

    def __init__(self, name: object) -> None:
        self.name, self.calls, self.lock = name, 0, object()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            self.calls += 1
            return self.name, function(*args)

        return wrapper

    def named(self) -> object:
        return self.name


def by(get: Callable[[], object]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            return get(), function(*args)

        return wrapper

    return decorate


def holding(value: object) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return lambda function: functools.wraps(function)(lambda *args: (value, function(*args)))


class Slotted:
    """An object without a __dict__."""

    __slots__ = ("lock", "name")

    def __init__(self, name: str) -> None:
        self.name, self.lock = name, object()


class Holder:
    def __init__(self, region: Region) -> None:
        self.region = region

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return functools.wraps(function)(lambda *args: (self.region.name, function(*args)))


@pytest.mark.parametrize(
    "decorator",
    [
        Region,
        lambda name: by(Region(name).named),
        lambda name: by(functools.partial(str, name)),
        lambda name: by(lambda: name),
        lambda name: by(functools.partial(print, Region(name))),
        lambda name: (lambda region: by(lambda: region))(Region(name)),
        lambda name: Holder(Region(name)),
        lambda name: by(name.upper),
        lambda name: by({"name": name, "lock": object()}.copy),
        lambda name: by(functools.partial(operator.itemgetter(name), {"eu": 1, "us": 2})),
        lambda name: by(functools.partial(operator.methodcaller(name), 1)),
        lambda name: by(functools.partial(re.compile(name).sub, "", "eu")),
        lambda name: holding(re.compile(name)),
        lambda name: holding(MappingProxyType({"name": name})),
        lambda name: holding({"lock": object(), "of": [Region(name)]}),
        lambda name: holding(Slotted(name)),
        lambda name: lambda function: Region("outer")(Region(name)(function)),
        lambda name: lambda function: Region(name)(Region("inner")(function)),
    ],
)
def test_what_any_decorator_in_between_holds_tells_results_apart(decorator: Callable[[str], Any]) -> None:
    keys = [key(decorator(name)(report), 1) for name in ("eu", "us", "eu")]
    assert keys[0] != keys[1]
    assert keys[0] == keys[2]


def test_a_method_that_a_local_function_closes_over_is_that_of_its_object() -> None:
    """Such a function may be one request's own: what it looks things up in must not be another's."""

    def made(table: dict[str, Any]) -> Callable[[str], Any]:
        get = table.get
        return lambda name: get(name)

    keys = [key(made({"name": name}), "name") for name in ("eu", "us", "eu")]
    assert keys[0] != keys[1]
    assert keys[0] == keys[2]
    with pytest.raises(UsageError, match=r'closed over the object of "get"\[.name.\] is of type object'):
        key(made({"name": object()}), "name")


def test_a_state_that_a_decorator_keeps_is_no_part_of_the_key() -> None:
    definition = Definition.of(Region("eu")(report), None, (), None, None)
    before = definition.key_of((1,), {})
    definition.function(1)
    assert definition.key_of((1,), {}) == before


def with_session(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function("session", *args, **kwargs)

    return wrapper


@with_session
def load_user(session: str, number: int, *, active: bool = True) -> list[object]:
    return [session, number, active]


def test_a_decorator_may_give_the_function_an_argument() -> None:
    assert key(load_user, 5) == key(load_user, 5) != key(load_user, 6)
    assert key(load_user, 5, active=False) != key(load_user, 5)
    assert cached(load_user)(5) == ["session", 5, True]


class Shop:
    def __init__(self, city: str) -> None:
        self.city, self.connection = city, object()

    def __cache_key__(self) -> object:
        return self.city

    def price(self, number: int) -> str:
        return f"{self.city} {number}"

    @classmethod
    def tax(cls, number: int) -> str:
        return f"{cls.__name__} {number}"


class Branch(Shop):
    pass


class Bare:
    def price(self, number: int) -> int:
        return number


def test_methods_are_told_apart_by_what_their_object_says() -> None:
    assert key(Shop.price, Shop("Bonn"), 1) == key(Shop.price, Shop("Bonn"), 1)
    assert key(Shop.price, Shop("Bonn"), 1) != key(Shop.price, Shop("Rome"), 1)
    assert key(Shop.price, Shop("Bonn"), 1) != key(Shop.price, Branch("Bonn"), 1)
    tax = Shop.__dict__["tax"].__func__
    assert key(tax, Shop, 1) != key(tax, Branch, 1)


def test_a_method_of_a_class_that_says_nothing_is_refused_with_the_recipe() -> None:
    with pytest.raises(UsageError, match=r"it is a method, and .*Bare.*; give the class a method __cache_key__\(\)"):
        key(Bare.price, Bare(), 1)


async def test_methods_static_and_class_methods_are_cached(project: Project) -> None:
    source = """
    from millpond import cached
    dynamic = "force-dynamic"
    runs = []
    class Shop:
        def __init__(self, city): self.city = city
        def __cache_key__(self): return self.city
        @cached
        def price(self, n):
            runs.append("price")
            return f"{self.city} {n}"
        @cached
        async def later(self, n):
            runs.append("later")
            return f"{self.city} {n}"
        @staticmethod
        @cached
        def plain(n):
            runs.append("plain")
            return n
        @classmethod
        @cached(tags=["tax"])
        def tax(cls, n):
            runs.append("tax")
            return f"{cls.__name__} {n}"
    async def GET():
        shop = Shop("Bonn")
        return [shop.price(1), await shop.later(2), Shop.plain(3), shop.plain(3), Shop.tax(4), len(runs)]
    """
    project.routes({"/": dedent(source)})
    async with project.started() as running:
        for _ in range(2):
            assert (await running.get("/")).json() == ["Bonn 1", "Bonn 2", 3, 3, "Shop 4", 4]


class Filter(BaseModel):
    name: str | None = None


class Nameless(tzinfo):
    def utcoffset(self, when: datetime | None) -> timedelta:
        return timedelta(hours=1)

    def dst(self, when: datetime | None) -> None:
        """Unknown."""

    def tzname(self, when: datetime | None) -> str:
        return "CET"


class Named(Nameless):
    def __repr__(self) -> str:
        return "Named()"


BERLIN, PARIS = ZoneInfo("Europe/Berlin"), ZoneInfo("Europe/Paris")
MOMENT = datetime(2026, 10, 25, 2, 30)
APART = [
    time(9),
    time(9, tzinfo=BERLIN),
    time(9, tzinfo=PARIS),
    time(9, fold=1),
    MOMENT,
    MOMENT.replace(fold=1),
    *(MOMENT.replace(tzinfo=zone, fold=fold) for zone in (BERLIN, PARIS) for fold in (0, 1)),
    MOMENT.replace(tzinfo=timezone(timedelta(hours=1))),
    MOMENT.replace(tzinfo=timezone(timedelta(hours=1), "CET")),
    MOMENT.replace(tzinfo=Named()),
    BERLIN,
    PARIS,
    UTC,
    Filter(),
    Filter(name=None),
    Shop,
    Branch,
]


def test_arguments_that_look_alike_are_told_apart() -> None:
    keys = [key(report, value) for value in APART]
    assert len(set(keys)) == len(APART)
    assert [key(report, value) for value in APART] == keys


UTC_FILE = b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + bytes(6) + b"UTC\0"


@pytest.mark.parametrize("zone", [Nameless(), ZoneInfo.from_file(io.BytesIO(UTC_FILE))])
def test_a_zone_without_a_name_is_refused(zone: tzinfo) -> None:
    with pytest.raises(UsageError, match="the time zone of"):
        key(report, MOMENT.replace(tzinfo=zone))
