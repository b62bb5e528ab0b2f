"""Requests that run code begin a few in each turn of the event loop, in their order."""

from __future__ import annotations

import asyncio
import contextvars
from functools import partial

import pytest

from millpond.serve.connection.turns import MOST_IN_A_TURN, Turns

pytestmark = pytest.mark.anyio

name: contextvars.ContextVar[int] = contextvars.ContextVar("name")


async def test_so_many_begin_at_once_and_the_others_in_later_turns() -> None:
    turns, loop, begun = Turns(), asyncio.get_running_loop(), list[int]()
    most = MOST_IN_A_TURN
    for number in range(2 * most + 3):
        turns.take(partial(begun.append, number), contextvars.copy_context(), loop)
    for expected in (most, 2 * most, 2 * most + 3):
        assert begun == list(range(expected))
        await asyncio.sleep(0)
    for number in range(most):  # the loop has turned meanwhile
        turns.take(partial(begun.append, number), contextvars.copy_context(), loop)
    assert len(begun) == 3 * most + 3


async def test_who_comes_later_does_not_overtake_those_who_wait() -> None:
    turns, loop, begun = Turns(), asyncio.get_running_loop(), list[int]()
    for number in range(MOST_IN_A_TURN + 5):
        turns.take(partial(begun.append, number), contextvars.copy_context(), loop)
    await asyncio.sleep(0)
    for number in range(100, 100 + MOST_IN_A_TURN):
        turns.take(partial(begun.append, number), contextvars.copy_context(), loop)
    for _ in range(3):
        await asyncio.sleep(0)
    waited = range(MOST_IN_A_TURN + 5)
    assert begun == [*waited, *range(100, 100 + MOST_IN_A_TURN)]


async def test_each_begins_in_the_context_of_its_connection() -> None:
    turns, loop, seen = Turns(), asyncio.get_running_loop(), list[int | None]()
    for _ in range(MOST_IN_A_TURN):
        turns.take(lambda: None, contextvars.copy_context(), loop)
    for number in range(3):
        context = contextvars.copy_context()
        context.run(name.set, number)
        turns.take(lambda: seen.append(name.get(None)), context, loop)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert seen == [0, 1, 2]


async def test_what_raises_keeps_none_of_the_others_from_beginning() -> None:
    turns, loop, begun = Turns(), asyncio.get_running_loop(), list[int]()
    loop.set_exception_handler(lambda *_: None)

    def fail() -> None:
        raise RuntimeError

    for _ in range(MOST_IN_A_TURN):
        turns.take(lambda: None, contextvars.copy_context(), loop)
    turns.take(fail, contextvars.copy_context(), loop)
    turns.take(partial(begun.append, 1), contextvars.copy_context(), loop)
    for _ in range(4):
        await asyncio.sleep(0)
    loop.set_exception_handler(None)
    assert begun == [1]
