"""Many rows of one file, in short transactions with pauses between them."""

from __future__ import annotations

import asyncio
import functools
import time
from typing import TYPE_CHECKING, TypeVar

from millpond.stores.lmdb.open_transaction import Reading

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    import lmdb

    from millpond.stores.lmdb.layout import Table, Tables
    from millpond.stores.lmdb.open_transaction import Writing
    from millpond.stores.lmdb.transactions import Transactions

T = TypeVar("T")
R = TypeVar("R")

STEP_SECONDS = 0.002
"""How long one transaction works, without its commit, which takes about as long."""
_ROWS_PER_LOOK_AT_THE_CLOCK = 16
_SECONDS_TO_WRITE = 10.0


class Steps:
    """Steps in the file that is open now. If it's replaced, the next step raises.

    Whoever is killed between two steps leaves a consistent file, and the work is done by the next who begins it. Each
    step sees what others have changed since the one before, so it must look again at what it found earlier.

    Args:
        transactions: of the store.
        pauses: whether to leave as much time to others as each step takes.
    """

    def __init__(self, transactions: Transactions, *, pauses: bool = True) -> None:
        self._transactions, self._environment, self._pauses = transactions, transactions.environment, pauses

    async def walk(
        self, table: Callable[[Tables], Table], picks: Callable[[bytes, bytes], bool]
    ) -> AsyncIterator[list[bytes]]:
        """The keys in a table whose record is picked, as one list for each step.

        What is inserted meanwhile may be left out.

        Raises:
            lmdb.Error: the file can't be read, or was replaced.
        """
        position: bytes | None = b""
        while position is not None:
            began = time.perf_counter()
            with (
                self._environment.begin() as txn,
                txn.cursor(db=table(self._environment.tables)) as cursor,
            ):
                picked, position = _picked(cursor, position, picks, began + STEP_SECONDS)
            if picked:
                yield picked
            await self._pause(began)

    async def read_each(self, items: Sequence[T], look: Callable[[Reading, T], R]) -> list[R]:
        """What `look` finds for each item, read in several transactions.

        Raises:
            lmdb.Error: the file can't be read, or was replaced.
        """
        found: list[R] = []
        while len(found) < len(items):
            began = time.perf_counter()
            with self._environment.begin() as txn:
                reading = Reading(txn, self._environment.tables)
                for number in range(len(found), len(items)):
                    found.append(look(reading, items[number]))
                    if time.perf_counter() >= began + STEP_SECONDS:
                        break
            await self._pause(began)
        return found

    async def write_each(self, items: Sequence[T], work: Callable[[Writing, T], bool]) -> None:
        """Run `work` for each item, many in one transaction.

        Args:
            items: are worked on in this order.
            work: returns whether it is done with the item. If not, it gets it again in the next transaction.

        Raises:
            lmdb.Error: a transaction failed, or the file was replaced; earlier steps hold.
        """
        done = 0
        while done < len(items):
            began = time.perf_counter()
            step = functools.partial(_worked, items=items, start=done, work=work)
            done = await self._transactions.write_soon(step, _SECONDS_TO_WRITE, self._environment)
            await self._pause(began)

    async def _pause(self, began: float) -> None:
        await asyncio.sleep(time.perf_counter() - began if self._pauses else 0)


def _picked(
    cursor: lmdb.Cursor[bytes], position: bytes, picks: Callable[[bytes, bytes], bool], ends: float
) -> tuple[list[bytes], bytes | None]:
    """What is picked until the time is over, and where to go on; None: nowhere."""
    picked: list[bytes] = []
    if not (cursor.set_range(position) if position else cursor.first()):
        return picked, None
    for number, (key, record) in enumerate(cursor.iternext(), 1):
        if picks(key, record):
            picked.append(key)
        if number % _ROWS_PER_LOOK_AT_THE_CLOCK == 0 and time.perf_counter() >= ends:
            return picked, key + b"\0"  # the next key in the order of bytes
    return picked, None


def _worked(writing: Writing, items: Sequence[T], start: int, work: Callable[[Writing, T], bool]) -> int:
    """Work until the time is over; returns where to go on."""
    ends = time.perf_counter() + STEP_SECONDS
    for number in range(start, len(items)):
        if not work(writing, items[number]):
            return number
        if time.perf_counter() >= ends:
            return number + 1
    return len(items)
