"""A running server whose store is removed, replaced, or kept from being written to."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from typing import TYPE_CHECKING

import pytest
from served_pond import millpond, served, wire, write_project
from stopped_writer import StoppedWriter
from store_trouble import record_troubled_history

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from served_pond import Answer, Served, Wire

WORKERS = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = write_project(tmp_path_factory.mktemp("trouble") / "pond")
    with served(folder, WORKERS) as server:
        asyncio.run(server.workers(WORKERS))
        yield server


@contextlib.asynccontextmanager
async def each_worker(server: Served) -> AsyncIterator[list[Wire]]:
    """A connection to each worker."""
    async with contextlib.AsyncExitStack() as stack:
        clients: dict[int, Wire] = {}
        while len(clients) < WORKERS:
            new = [await stack.enter_async_context(wire(server)) for _ in range(8)]
            answers = await asyncio.gather(*(client.ask("GET", "/pid") for client in new))
            clients |= {answer.json()["pid"]: client for answer, client in zip(answers, new, strict=True)}
        yield list(clients.values())


def remove(store: Path) -> None:
    shutil.rmtree(store)


def remove_the_data(store: Path) -> None:
    (store / "data.mdb").unlink()


@pytest.mark.parametrize("replaced", [remove, remove_the_data], ids=lambda replaced: replaced.__name__)
def test_a_command_invalidates_what_is_served_after_the_store_was_removed(
    server: Served, replaced: Callable[[Path], None]
) -> None:
    key = f"removed-by-{replaced.__name__}"

    async def versions(clients: list[Wire]) -> list[int]:
        return [(await client.ask("GET", f"/values/{key}")).json()["version"] for client in clients]

    async def seen() -> None:
        async with each_worker(server) as clients:
            assert (await clients[0].ask("POST", f"/values/{key}?version=1")).status == 200
            assert await versions(clients) == [1] * WORKERS
        replaced(server.folder / ".millpond" / "cache")
        (server.folder / "truth" / key).write_text("2")
        done = await asyncio.to_thread(millpond, server.folder, "revalidate", "--tag", f"known:{key}")
        assert done.returncode == 0, done.stderr
        async with each_worker(server) as clients:  # one that waited for so long may have been closed
            assert await versions(clients) == [2] * WORKERS
            assert (await clients[1].ask("POST", f"/values/{key}?version=3")).status == 200
            assert await versions(clients) == [3] * WORKERS

    asyncio.run(seen())
    assert "was removed or replaced while it was in use" in server.log()


def test_a_process_that_stands_still_in_a_write_holds_up_no_hit_and_no_live_answer(server: Served) -> None:
    async def answers(clients: list[Wire], path: str) -> list[Answer]:
        return await asyncio.gather(*(client.ask("GET", path) for client in clients))

    async def seen(writer: StoppedWriter) -> float:
        async with each_worker(server) as clients:
            await answers(clients, "/pages/hit")
            await asyncio.to_thread(writer.stop)
            cold = asyncio.gather(*(client.ask("GET", f"/pages/cold-{n}") for n, client in enumerate(clients)))
            async with each_worker(server) as more:
                began, slowest = time.monotonic(), 0.0
                while time.monotonic() < began + 2.5:
                    asked = time.monotonic()
                    found = [*await answers(more, "/pages/hit"), *await answers(more, "/pid")]
                    slowest = max(slowest, time.monotonic() - asked)
                    assert {answer.status for answer in found} == {200}
                    assert {answer.headers["x-nextjs-cache"] for answer in found[:WORKERS]} == {"HIT"}
                    await asyncio.sleep(0.02)
                refused = await more[0].ask("POST", "/values/stopped?version=1")
            assert {answer.status for answer in await cold} == {200}
            assert refused.status == 500
            return slowest

    with StoppedWriter(server.folder / ".millpond" / "cache") as writer:
        slowest = asyncio.run(seen(writer))
    assert slowest < 2  # and not as long as the process stands still
    assert f"process {writer.pid}, which is stopped (SIGSTOP), has been in a write transaction" in server.log()
    assert millpond(server.folder, "revalidate", "--tag", "known:stopped").returncode == 0


def test_no_read_sees_an_older_version_whatever_happens_to_the_store(server: Served) -> None:
    history, faults = asyncio.run(
        record_troubled_history(server, operations=2000, seed=1, most_seconds=0.3, kills=False)
    )
    assert history.violations == []
    assert history.reads > 600
    assert history.invalidations > 25
    assert len(faults) >= 3
