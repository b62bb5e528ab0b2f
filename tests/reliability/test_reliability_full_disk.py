from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import lmdb

from millpond import Millpond
from millpond.stores.lmdb import transactions as lmdb_transactions
from millpond.stores.lmdb.store import LmdbStore
from ponds import client_of

if TYPE_CHECKING:
    import pytest

    from ponds import Project


def test_a_full_disk_means_uncached_answers_and_keeps_nobody_waiting(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.routes(
        {
            "/items/[id]": """
            revalidate = 60

            def generate_static_params():
                return []

            def GET(id: str):
                return id
            """
        }
    )

    def full(*_: object) -> object:
        raise lmdb.MapFullError("no room")

    async def seconds() -> float:
        await project.built()
        pond = Millpond(project.folder / "app")
        pond.isolated = False  # as a server's process
        async with pond.lifespan(), client_of(pond) as client:
            assert isinstance(pond.store, LmdbStore)
            monkeypatch.setattr(lmdb_transactions, "_transact", full)
            began = time.monotonic()
            answers = await asyncio.gather(*(client.get(f"/items/{number}") for number in range(20)))
            took = time.monotonic() - began
            monkeypatch.undo()
            assert [answer.status_code for answer in answers] == [200] * 20
            assert list(pond.store.entries()) == []
            return took

    assert asyncio.run(seconds()) < 5
