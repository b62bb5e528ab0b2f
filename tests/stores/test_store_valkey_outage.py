"""What is given to the shared store while its server is away is done when it is back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from conformance import entry_at
from valkey_process import store_at

from engines import Engine, engine, settle, soon
from proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from millpond.stores.valkey.store import ValkeyStore

__all__ = ["engine"]

pytestmark = pytest.mark.anyio


@pytest.fixture
async def reached(engine: Engine) -> AsyncIterator[tuple[ValkeyStore, ValkeyStore, Proxy]]:
    """Two stores of one server; the second one's network can be cut."""
    settle(engine.client(), "outage")
    with Proxy(engine.port, 0) as network:
        near = store_at(engine.url, prefix="outage", timeout=1.0, term=1.0)
        far = store_at(network.url, prefix="outage", timeout=1.0, term=1.0)
        for store in (near, far):
            await store.open()
            assert soon(store.is_synced)
        try:
            yield near, far, network
        finally:
            await far.close()
            await near.close()


async def test_what_was_removed_while_the_server_was_away_is_removed_there_when_it_is_back(
    reached: tuple[ValkeyStore, ValkeyStore, Proxy],
) -> None:
    near, far, network = reached
    await near.commit(entry_at("/a", time.time(), generation=near.generation()))
    assert await far.get("/a") is not None
    network.refuse()
    assert soon(lambda: not far.is_synced())
    assert not await far.is_reachable()
    assert await near.is_reachable()
    await far.remove("/a")
    assert await far.get("/a") is None
    assert await near.get("/a") is not None
    network.mend()
    assert soon(lambda: near.peek("/a") is None)
    assert await near.get("/a") is None


async def test_answers_of_a_build_that_the_server_was_away_for_are_there_when_it_is_back(
    reached: tuple[ValkeyStore, ValkeyStore, Proxy],
) -> None:
    near, far, network = reached
    network.refuse()
    assert soon(lambda: not far.is_synced())
    await far.seed([entry_at("/built", time.time(), generation=far.generation())])
    assert await near.get("/built") is None
    network.mend()
    ends = time.monotonic() + 20
    while await near.get("/built") is None:
        assert time.monotonic() < ends
