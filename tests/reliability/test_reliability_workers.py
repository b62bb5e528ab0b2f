from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from history import record_history
from served_pond import millpond, served, wire, write_project
from stampede import renders_of, stampede

if TYPE_CHECKING:
    from collections.abc import Iterator

    from served_pond import Served, Wire


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Four workers; nobody kills them."""
    folder = write_project(tmp_path_factory.mktemp("reliability") / "pond")
    with served(folder, workers=4) as server:
        asyncio.run(server.workers(4))
        yield server


def test_simultaneous_requests_over_all_workers_for_a_cold_key_make_one_render(server: Served) -> None:
    outcome = asyncio.run(stampede(server, "cold", 300))
    assert outcome.workers > 1
    assert (outcome.renders, outcome.statuses, outcome.answers) == (1, Counter({200: 300}), 1)


def test_simultaneous_requests_over_all_workers_for_an_expired_key_make_one_render(server: Served) -> None:
    for round_ in range(2):
        done = millpond(server.folder, "revalidate", "--path", "/slow/expired")
        assert done.returncode == 0, done.stderr
        outcome = asyncio.run(stampede(server, "expired", 300))
        assert (outcome.renders, outcome.statuses, outcome.answers) == (1, Counter({200: 300}), 1), round_


def test_simultaneous_requests_over_all_workers_for_a_stale_key_are_answered_at_once_and_make_one_render(
    server: Served,
) -> None:
    async def answered() -> str:
        async with wire(server) as client:  # a new one each time: one that waits for long is closed
            return (await client.ask("GET", "/slow/stale")).headers["x-nextjs-cache"]

    async def fresh() -> bool:
        return await answered() == "HIT"

    async def rendered_again() -> int:
        assert await answered() == "MISS"
        before = renders_of(server, "stale")
        arguments = ("--tag", "slow:stale", "--profile", "max")
        done = await asyncio.to_thread(millpond, server.folder, "revalidate", *arguments)
        assert done.returncode == 0, done.stderr
        outcome = await stampede(server, "stale", 200)
        assert outcome.statuses == {200: 200}
        await server.until(fresh)
        return renders_of(server, "stale") - before

    assert asyncio.run(rendered_again()) == 1


def test_an_invalidation_in_one_worker_holds_at_the_next_request_of_every_other(server: Served) -> None:
    async def seen(rounds: int) -> list[list[int]]:
        async with AsyncExitStack() as stack:
            clients: dict[int, Wire] = {}
            while len(clients) < 4:
                new = [await stack.enter_async_context(wire(server)) for _ in range(8)]
                answers = await asyncio.gather(*(client.ask("GET", "/pid") for client in new))
                clients |= {answer.json()["pid"]: client for answer, client in zip(answers, new, strict=True)}
            each = list(clients.values())
            versions = []
            for version in range(1, rounds + 1):
                assert (await each[version % 4].ask("POST", f"/values/all?version={version}")).status == 200
                versions.append([(await client.ask("GET", "/values/all")).json()["version"] for client in each])
            return versions

    assert asyncio.run(seen(100)) == [[version] * 4 for version in range(1, 101)]


def test_no_read_that_begins_after_an_invalidation_returned_sees_an_older_version(server: Served) -> None:
    history = asyncio.run(record_history(server, operations=3000, seed=1))
    assert history.violations == []
    assert history.reads > 2000
    assert history.hits > 500  # else nothing was cached, and nothing shown
    assert history.invalidations > 100
