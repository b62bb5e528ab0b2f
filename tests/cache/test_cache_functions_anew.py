"""Functions that are cached inside a handler, anew for each request: what it costs, and what of it stays."""

from __future__ import annotations

import gc
import inspect
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from millpond.cache.functions.definition import Definition
from ponds import turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from ponds import Project

pytestmark = pytest.mark.anyio

HANDLER = """
import functools, weakref
from dataclasses import dataclass
from millpond import cached
dynamic = "force-dynamic"
alive = []

class Session:
    def __init__(self, user): self.user, self.much = user, bytearray(10_000)
    def __cache_key__(self): return self.user

def logged(function):
    @functools.wraps(function)
    async def wrapper(*args): return await function(*args)
    return wrapper

async def GET(user: int):
    session = Session(user)
    alive.append(weakref.ref(session))
    def helper(): return session.user
{}
    return await load()
"""
INNER = {
    "a coroutine function": """
    @cached
    async def load(): return helper() + len(session.much)
    """,
    "with options": """
    @cached(revalidate=60, tags=["x"], key=[user])
    async def load() -> list[int]: return [helper()]
    """,
    "in a decorator": """
    @cached
    @logged
    async def load(): return helper()
    """,
    "a default": """
    @cached
    async def load(of=session): return of.user
    """,
    "a sync function": """
    @cached
    def later(n: int = 0): return helper() if n else later(n + 1)
    async def load(): return later()
    """,
    "a class of its own": """
    @dataclass
    class Result:
        user: int
        def of(self): return session
    @cached(key=[user])
    async def load() -> list[Result]: return [Result(helper())]
    """,
}


@pytest.mark.parametrize("inner", INNER.values(), ids=INNER)
async def test_what_a_request_closes_over_is_free_when_it_has_ended(project: Project, inner: str) -> None:
    project.routes({"/": HANDLER.format(inner)})
    async with project.started() as running:
        for user in range(5):
            assert (await running.get(f"/?user={user}")).status_code == 200
        await turns()  # what has run on the loop itself is stored soon afterwards
        gc.collect()
        alive = running.module("/").alive
        assert len(alive) == 5
        assert [reference() for reference in alive if reference() is not None] == []


@dataclass
class Point:
    x: int


def made(x: int, kind: Any = list[Point]) -> Callable[..., Any]:
    def points(n: int, factor: int = x, *more: int, last: Any = None, **others: int) -> Any:
        return [Point(n * factor + x)]

    points.__annotations__["return"] = kind
    return points


def definition(function: Callable[..., Any]) -> Definition:
    return Definition.of(function, None, (), None, None)


def test_what_depends_on_the_code_alone_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = list[Any]()

    def watched(find: Callable[..., Any]) -> Callable[..., Any]:
        def found(of: Any, **options: Any) -> Any:
            looks.append(of)
            return find(of, **options)

        return found

    monkeypatch.setattr(inspect, "getsource", watched(inspect.getsource))
    monkeypatch.setattr(inspect, "signature", watched(inspect.signature))
    definition(made(0)).key_of((1,), {})
    codecs = set()
    looks.clear()
    for x in range(20):
        one = definition(made(x))
        one.key_of((1,), {})
        codecs.add(one.codec)
    assert (looks, len(codecs)) == ([], 1)


def test_functions_of_one_code_differ_in_what_they_hold() -> None:
    keys = [definition(made(x)).key_of((1,), {}) for x in (1, 2, 1)]
    assert keys[0] == keys[2] != keys[1]
    assert definition(made(1)).key_of((1, 1), {}) == keys[0]
    assert definition(made(1)).key_of((1, 1, 2), {}) != keys[0]
    assert definition(made(1)).key_of((1,), {"last": Point(1)}) != keys[0]
    assert definition(made(1)).key_of((1,), {"other": 1}) != keys[0]
    with pytest.raises(TypeError, match="missing a required argument"):
        definition(made(1)).key_of((), {})


def test_functions_of_one_code_may_declare_other_results() -> None:
    @dataclass
    class Local:
        x: int

    one, other = definition(made(1, list[Point])), definition(made(1, list[Local]))
    assert one.codec.decode(one.encode([Point(1)])) == [Point(1)]
    assert other.codec.decode(other.encode([Local(1)])) == [Local(1)]
    assert one.key_of((1,), {}) != other.key_of((1,), {})
    held = weakref.ref(Local)
    del Local, other
    gc.collect()
    assert held() is None
