"""Listing entries by their digests: the same for each kind of store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from engines import Engine, engine, settle
from millpond.config import parse_config
from millpond.policy.entry import Entry
from millpond.policy.key import data_key, response_key
from millpond.stores.factory import chosen_store, inspection_of
from millpond.stores.memory import MemoryStore
from millpond.stores.memory_inspection import MemoryInspection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from millpond.stores.contract import Store
    from millpond.stores.maintenance_contract import StoreInspection

    Opened = tuple[Store, Callable[[], StoreInspection]]

__all__ = ["engine"]
pytestmark = pytest.mark.anyio

BUILD, NUMBER = "b", 700


def entry(name: str, *tags: str) -> Entry:
    return Entry(
        key=response_key("app/route.py", name),
        status=200,
        headers=(),
        body=b"body",
        rendered_at=time.time(),
        revalidate=60,
        expire=3600,
        tags=tags,
        build=BUILD,
    )


@pytest.fixture(params=["memory", "lmdb", "valkey"])
async def opened(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Opened]:
    cache: dict[str, object] = {"store": request.param}
    if request.param == "valkey":
        found: Engine = request.getfixturevalue("engine")
        client = found.client()
        client.flushall()
        settle(client, "listed")
        cache = {"store": found.url, "prefix": "listed"}
    config = parse_config({"cache": cache}, "millpond.toml").cache
    store = chosen_store(tmp_path, config, BUILD, time.time)
    await store.open()
    if isinstance(store, MemoryStore):
        memory = store
        yield store, lambda: MemoryInspection(memory)
    else:
        yield store, lambda: inspection_of(tmp_path, config)
    await store.close()


async def test_all_entries_are_listed_once_in_the_order_of_their_digests(opened: Opened) -> None:
    store, inspect = opened
    await store.seed(entry(f"/{number}") for number in range(NUMBER))
    with inspect() as inside:
        digests = [listed.digest for listed in inside.listed()]
        assert (len(set(digests)), digests) == (NUMBER, sorted(digests))
        for position in (0, 1, 350, 499, 500, 501, NUMBER - 2, NUMBER - 1):
            assert [each.digest for each in inside.listed(digests[position])] == digests[position + 1 :]
        prefix = digests[100][:4]
        assert [each.digest for each in inside.listed(prefix)] == [one for one in digests if one > prefix]
        assert list(inside.listed("f" * 32)) == []


async def test_no_entry_with_a_tag_is_left_out(opened: Opened) -> None:
    store, inspect = opened
    await store.seed(entry(f"/{number}", "all", f"t{number % 7}") for number in range(NUMBER))
    with inspect() as inside:
        found = [each.entry for each in inside.listed(tag="t3")]
        assert sum(each is not None and "t3" in each.tags for each in found) == NUMBER // 7
        assert sum(1 for _ in inside.listed(tag="all")) == NUMBER


async def test_an_entry_is_found_by_its_key_for_the_build_that_has_it(opened: Opened) -> None:
    store, inspect = opened
    stored = entry("/a")
    await store.commit(stored)
    with inspect() as inside:
        found = inside.named(stored.key, BUILD)
        assert found is not None
        assert found.entry is not None
        assert found.entry.key == stored.key
        assert [each.digest for each in inside.found([found.digest])] == [found.digest]
        assert inside.named(stored.key, "another") is None
        assert inside.named(data_key("fetch", b"x"), BUILD) is None


async def test_rows_are_those_of_the_tags_that_were_invalidated(opened: Opened) -> None:
    store, inspect = opened
    with inspect() as inside:
        assert inside.rows() == []
    first = store.invalidate(["a", "b\udcff"])
    second = store.invalidate(["c"], expire_after=None)
    with inspect() as inside:
        rows = dict(inside.rows())
    assert rows["a"].expired == first
    assert (rows["c"].generation, rows["c"].expired) == (second, 0)
    assert len(rows) == 3
