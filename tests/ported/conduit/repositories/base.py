"""A repository works on one connection of the pool."""

from collections.abc import Iterable
from typing import Any

import aiosqlite


class Repository:
    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def all(self, statement: str, values: Iterable[Any] = ()) -> list[aiosqlite.Row]:
        async with self._connection.execute(statement, tuple(values)) as cursor:
            return list(await cursor.fetchall())

    async def one(self, statement: str, values: Iterable[Any] = ()) -> aiosqlite.Row | None:
        async with self._connection.execute(statement, tuple(values)) as cursor:
            return await cursor.fetchone()

    async def write(self, statement: str, values: Iterable[Any] = ()) -> int:
        """Run a statement and commit; the id of the new row, if there is one."""
        async with self._connection.execute(statement, tuple(values)) as cursor:
            await self._connection.commit()
            return cursor.lastrowid or 0
