"""What `millpond.stores.contract` promises, sentence by sentence. Every store's tests run all of it.

A store's test file derives a class from `StoreConformance` and overrides the fixture `world`.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from millpond.policy.entry import Backoff, Entry
from millpond.policy.freshness import judge
from millpond.policy.key import shared_key
from millpond.policy.tags import TagRow
from millpond.stores.contract import Commit, Lease

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from millpond.stores.contract import Store
    from millpond.stores.store_figures import Eviction, StoreFigures

BUILD = "build-1"
NOW = 1_000_000.0
PLENTY = 1_000_000


class MovableClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class World(Protocol):
    """Where stores of one kind live during one test."""

    clock: MovableClock
    """Seconds since the epoch, for the stores that `make` makes."""
    monotonic: MovableClock
    """What their leases are measured by."""

    def make(self, max_bytes: int) -> Store:
        """A store that is empty and not open yet."""
        ...

    async def beside(self, store: Store) -> Store:
        """The same store as another process sees it, open; a store of one process gives itself."""
        ...


def entry_at(key: str = "/a", rendered_at: float = NOW, **fields: Any) -> Entry:
    values: dict[str, Any] = {"status": 200, "headers": (), "body": b"body", "revalidate": 60, "expire": 600}
    return Entry(key=key, rendered_at=rendered_at, **{"build": BUILD, **values, **fields})


async def taken(store: Store, key: str, seconds: float = 10) -> Lease:
    """The lease of a key that must be free."""
    lease = await store.acquire(key, seconds)
    assert lease is not None
    return lease


async def soon(condition: asyncio.Task[None]) -> None:
    """The end of a task that must come within seconds, or the test fails."""
    await asyncio.wait_for(condition, timeout=5)


async def _figures(store: Store, entries: int) -> StoreFigures:
    """What the store says when it knows of so many entries: one on another machine asks now and then."""
    for _ in range(200):
        if (figures := store.figures()) is not None and figures.entries == entries:
            return figures
        await asyncio.sleep(0.05)
    raise AssertionError(f"it doesn't know of {entries} entries")


class StoreConformance:
    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    def world(self) -> World:
        raise LookupError("a conformance class overrides the fixture `world`")

    @pytest.fixture
    async def store(self, world: World) -> AsyncIterator[Store]:
        store = world.make(PLENTY)
        await store.open()
        yield store
        await store.close()

    # Entries

    @pytest.mark.anyio
    async def test_an_unknown_key_has_no_entry(self, store: Store) -> None:
        assert store.peek("/nowhere") is None
        assert await store.get("/nowhere") is None

    @pytest.mark.anyio
    async def test_a_store_that_can_be_written_to_is_reachable_and_stays_as_it_is(self, store: Store) -> None:
        await store.commit(entry_at("/a"))
        generation = store.generation()
        assert await store.is_reachable()
        assert store.generation() == generation
        assert [entry.key for entry in store.entries()] == [entry_at("/a").key]

    @pytest.mark.anyio
    async def test_an_entry_comes_back_as_it_was_committed(self, store: Store) -> None:
        entry = entry_at(
            headers=((b"content-type", b"text/plain"), (b"x-a", b"\xff"), (b"x-a", b"2")),
            body=b"\x00\xff" * 100,
            tags=("products", "product:1"),
            status=404,
            revalidate=None,
            expire=None,
            rendered_at=NOW - 0.123456789,
        )
        assert await store.commit(entry) is Commit.STORED
        assert await store.get("/a") == entry

    @pytest.mark.anyio
    async def test_peek_knows_nothing_else_than_get(self, store: Store) -> None:
        await store.commit(entry_at(body=b"1"))
        await store.get("/a")
        await store.commit(entry_at(body=b"2", rendered_at=NOW + 1))
        peeked = store.peek("/a")
        assert peeked is None or peeked == await store.get("/a")

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        "key", ["", "/", "a\0b", "/" + "x" * 3000, "/caf\u00e9/\U0001f986", "__class__", "a:b,c\nd"]
    )
    async def test_any_string_is_a_key(self, store: Store, key: str) -> None:
        await store.commit(entry_at("/other", body=b"other"))
        await store.commit(entry_at(key))
        assert await store.get(key) == entry_at(key)
        assert await store.get("/other") == entry_at("/other", body=b"other")

    @pytest.mark.anyio
    async def test_keys_that_look_alike_are_different(self, store: Store) -> None:
        keys = ["/a", "/A", "/a/", "/a%2Fb", "/a/b", "a\0b", "a", "ab"]
        for key in keys:
            await store.commit(entry_at(key, body=key.encode()))
        for key in keys:
            found = await store.get(key)
            assert found is not None
            assert found.body == key.encode()

    @pytest.mark.anyio
    async def test_an_entry_is_not_judged_when_read(self, store: Store, world: World) -> None:
        entry = entry_at(tags=("t",), build="another build")
        await store.commit(entry)
        store.invalidate(["t"])
        world.clock.advance(10_000)
        assert await store.get("/a") == entry

    @pytest.mark.anyio
    async def test_a_removed_entry_is_gone(self, store: Store) -> None:
        await store.commit(entry_at("/a"))
        await store.commit(entry_at("/b"))
        await store.get("/a")
        await store.remove("/a")
        assert store.peek("/a") is None
        assert await store.get("/a") is None
        assert await store.get("/b") is not None

    @pytest.mark.anyio
    async def test_removing_what_is_not_there_does_nothing(self, store: Store) -> None:
        await store.remove("/nowhere")
        await store.commit(entry_at("/a"))
        await store.remove("/a")
        await store.remove("/a")
        assert list(store.entries()) == []

    @pytest.mark.anyio
    async def test_a_removed_entry_can_be_committed_again(self, store: Store) -> None:
        await store.commit(entry_at(generation=0, rendered_at=NOW + 1))
        await store.remove("/a")
        assert await store.commit(entry_at(rendered_at=NOW)) is Commit.STORED

    @pytest.mark.anyio
    async def test_entries_gives_every_entry_once(self, store: Store) -> None:
        committed = {key: entry_at(key) for key in ("/a", "/b", "/c")}
        for entry in committed.values():
            await store.commit(entry)
        await store.commit(entry_at("/a", body=b"newer"))
        found = list(store.entries())
        assert len(found) == 3
        assert {entry.key: entry for entry in found} == {**committed, "/a": entry_at("/a", body=b"newer")}

    @pytest.mark.anyio
    async def test_entries_may_be_walked_while_the_store_changes(self, store: Store) -> None:
        for number in range(10):
            await store.commit(entry_at(f"/{number}"))
        for entry in store.entries():
            await store.remove(entry.key)
            await store.commit(entry_at(f"{entry.key}/new"))
        assert all(entry.key.endswith("/new") for entry in store.entries())

    @pytest.mark.anyio
    async def test_what_one_process_commits_or_removes_every_other_sees(self, store: Store, world: World) -> None:
        other = await world.beside(store)
        assert other.peek("/a") is None
        for number in range(3):
            entry = entry_at(body=b"%d" % number, rendered_at=NOW + number)
            await store.commit(entry)
            assert await other.get("/a") == entry
            assert other.peek("/a") == entry
        await other.remove("/a")
        assert store.peek("/a") is None

    # Commit: which of two entries stays

    @pytest.mark.anyio
    async def test_a_later_render_replaces_an_earlier_one(self, store: Store) -> None:
        await store.commit(entry_at(body=b"1"))
        assert await store.commit(entry_at(body=b"2", rendered_at=NOW + 1)) is Commit.STORED
        assert await store.get("/a") == entry_at(body=b"2", rendered_at=NOW + 1)

    @pytest.mark.anyio
    async def test_an_entry_never_replaces_one_that_captured_a_later_generation(self, store: Store) -> None:
        generation = store.invalidate(["t"], expire_after=None)
        later = entry_at(generation=generation, tags=("t",), rendered_at=NOW)
        await store.commit(later)
        assert await store.commit(entry_at(tags=("t",), rendered_at=NOW + 1)) is not Commit.STORED
        assert await store.get("/a") == later

    @pytest.mark.anyio
    async def test_a_later_generation_replaces_whatever_its_time_of_render(self, store: Store) -> None:
        await store.commit(entry_at(rendered_at=NOW + 2))
        generation = store.invalidate(["t"])
        newer = entry_at(generation=generation, rendered_at=NOW)
        assert await store.commit(newer) is Commit.STORED
        assert await store.get("/a") == newer

    @pytest.mark.anyio
    async def test_within_a_generation_the_later_render_stays(self, store: Store) -> None:
        await store.commit(entry_at(body=b"later", rendered_at=NOW))
        assert await store.commit(entry_at(body=b"earlier", rendered_at=NOW - 1)) is not Commit.STORED
        assert await store.get("/a") == entry_at(body=b"later", rendered_at=NOW)

    @pytest.mark.anyio
    async def test_a_paused_copy_of_the_same_render_replaces_it(self, store: Store) -> None:
        entry = entry_at()
        await store.commit(entry)
        paused = entry.with_backoff(Backoff(NOW + 61, 30, 0))
        assert await store.commit(paused) is Commit.STORED
        assert await store.get("/a") == paused

    @pytest.mark.anyio
    async def test_a_clock_that_was_set_back_keeps_no_entry_in_place_for_ever(self, store: Store, world: World) -> None:
        await store.commit(entry_at(rendered_at=NOW))
        world.clock.advance(-3600)
        mended = entry_at(rendered_at=world.clock())
        assert await store.commit(mended) is Commit.STORED
        assert await store.get("/a") == mended

    # Commit: invalidations during the render

    @pytest.mark.anyio
    async def test_an_entry_that_an_expired_tag_overtook_is_refused(self, store: Store) -> None:
        captured = store.generation()
        store.invalidate(["t"])
        assert await store.commit(entry_at(tags=("s", "t"), generation=captured)) is Commit.INVALIDATED
        assert await store.get("/a") is None

    @pytest.mark.anyio
    async def test_a_refused_entry_leaves_the_former_one(self, store: Store) -> None:
        former = entry_at()
        await store.commit(former)
        store.invalidate(["t"])
        assert await store.commit(entry_at(tags=("t",), rendered_at=NOW + 1)) is Commit.INVALIDATED
        assert await store.get("/a") == former

    @pytest.mark.anyio
    async def test_an_entry_behind_a_soft_invalidation_is_stored_and_stale_from_the_start(
        self, store: Store, world: World
    ) -> None:
        captured = store.generation()
        store.invalidate(["t"], expire_after=None)
        assert await store.commit(entry_at(tags=("t",), generation=captured)) is Commit.STORED
        entry = await store.get("/a")
        assert entry is not None
        judgement = judge(entry, world.clock(), store.row, BUILD)
        assert judgement.servable
        assert not judgement.fresh

    @pytest.mark.anyio
    async def test_an_entry_behind_a_window_is_stored_until_the_window_ends(self, store: Store, world: World) -> None:
        entry = entry_at(tags=("t",), generation=store.generation())
        store.invalidate(["t"], expire_after=5)
        assert await store.commit(entry) is Commit.STORED
        world.clock.advance(5)
        assert await store.commit(entry) is Commit.INVALIDATED

    @pytest.mark.anyio
    async def test_a_render_that_began_after_the_invalidation_is_stored_fresh(self, store: Store, world: World) -> None:
        store.invalidate(["t"])
        entry = entry_at(tags=("t",), generation=store.generation())
        assert await store.commit(entry) is Commit.STORED
        assert judge(entry, world.clock(), store.row, BUILD).fresh

    @pytest.mark.anyio
    async def test_an_invalidation_of_other_tags_concerns_nobody_else(self, store: Store, world: World) -> None:
        captured = store.generation()
        store.invalidate(["other"])
        entry = entry_at(tags=("t",), generation=captured)
        assert await store.commit(entry) is Commit.STORED
        assert judge(entry, world.clock(), store.row, BUILD).fresh

    # Commit: leases

    @pytest.mark.anyio
    async def test_a_commit_under_a_held_lease_is_stored_and_leaves_the_lease(self, store: Store) -> None:
        lease = await taken(store, "/a")
        assert await store.commit(entry_at(), lease) is Commit.STORED
        assert await store.acquire("/a", 10) is None
        assert await store.renew(lease, 10)

    @pytest.mark.anyio
    async def test_a_lease_that_ends_with_its_commit_is_free_once_it_is_released(self, store: Store) -> None:
        lease = await taken(store, "/a")
        waiting = asyncio.create_task(store.wait("/a", 30))
        await asyncio.sleep(0)
        assert await store.commit(entry_at(), lease, ends=True) is Commit.STORED
        await store.release(lease)
        await waiting
        assert (await taken(store, "/a")).token != lease.token

    @pytest.mark.anyio
    async def test_a_commit_that_is_refused_ends_no_lease(self, store: Store) -> None:
        lease = await taken(store, "/a")
        await store.commit(entry_at(rendered_at=NOW), lease)
        assert await store.commit(entry_at(rendered_at=NOW - 10), lease, ends=True) is Commit.SUPERSEDED
        assert await store.acquire("/a", 10) is None
        await store.release(lease)
        await taken(store, "/a")

    @pytest.mark.anyio
    async def test_a_commit_under_a_lease_that_ran_out_is_refused(self, store: Store, world: World) -> None:
        lease = await taken(store, "/a", 10)
        world.monotonic.advance(10)
        assert await store.commit(entry_at(), lease) is Commit.LEASE_LOST
        assert await store.get("/a") is None

    @pytest.mark.anyio
    async def test_a_commit_under_a_lease_that_another_has_by_now_is_refused(self, store: Store, world: World) -> None:
        lost = await taken(store, "/a", 10)
        world.monotonic.advance(11)
        held = await taken(store, "/a", 10)
        assert await store.commit(entry_at(body=b"late"), lost) is Commit.LEASE_LOST
        assert await store.commit(entry_at(body=b"good"), held) is Commit.STORED

    @pytest.mark.anyio
    async def test_a_commit_under_a_released_lease_is_refused(self, store: Store) -> None:
        lease = await taken(store, "/a")
        await store.release(lease)
        assert await store.commit(entry_at(), lease) is Commit.LEASE_LOST

    @pytest.mark.anyio
    async def test_a_commit_without_a_lease_needs_none(self, store: Store) -> None:
        await taken(store, "/a")
        assert await store.commit(entry_at()) is Commit.STORED

    # Bounds

    @pytest.mark.anyio
    async def test_an_entry_over_the_byte_limit_is_refused(self, world: World) -> None:
        store = world.make(10_000)
        await store.open()
        await store.commit(entry_at("/small"))
        assert await store.commit(entry_at("/large", body=b"x" * 10_001)) is Commit.TOO_LARGE
        assert await store.get("/large") is None
        assert await store.get("/small") is not None
        await store.close()

    @pytest.mark.anyio
    async def test_the_store_never_holds_more_than_its_limit(self, world: World) -> None:
        store = world.make(10_000)
        await store.open()
        for number in range(100):
            await store.commit(entry_at(f"/{number}", body=b"x" * (37 * number % 3000)))
            assert sum(entry.size for entry in store.entries()) <= 10_000
        await store.seed(entry_at(f"/seed/{number}", body=b"x" * 1500) for number in range(20))
        assert sum(entry.size for entry in store.entries()) <= 10_000
        assert await store.get("/seed/19") is not None
        await store.close()

    @pytest.mark.anyio
    async def test_what_was_read_outlives_what_was_not(self, world: World) -> None:
        store = world.make(20_000)
        await store.open()
        for number in range(30):
            await store.commit(entry_at(f"/{number}", body=b"x" * 1500))
            assert await store.get("/0") is not None, "the entry that is read all the time was evicted"
        assert await store.get("/1") is None
        await store.close()

    @pytest.mark.anyio
    async def test_being_stored_again_does_not_count_as_being_read(self, world: World) -> None:
        store = world.make(10_000)
        await store.open()
        for number, key in enumerate(("/0", "/1", "/2", "/3", "/0", "/4")):
            await store.commit(entry_at(key, NOW + number, body=b"x" * 2000))
        assert {entry.key for entry in store.entries()} == {"/1", "/2", "/3", "/4"}
        await store.close()

    @pytest.mark.anyio
    async def test_what_is_stored_once_evicts_its_like_and_not_what_was_read(self, world: World) -> None:
        store = world.make(60_000)
        await store.open()
        for number in range(20):
            await store.commit(entry_at(f"/{number}", body=b"x" * 1500))
            await store.get(f"/{number}")
        for number in range(100):
            await store.commit(entry_at(f"/once/{number}", body=b"x" * 1500))
        assert {entry.key for entry in store.entries()} >= {f"/{number}" for number in range(20)}
        await store.close()

    @pytest.mark.anyio
    async def test_what_comes_back_soon_after_its_eviction_stays(self, world: World) -> None:
        store = world.make(60_000)
        await store.open()
        for number in range(40):
            await store.commit(entry_at(f"/{number}", body=b"x" * 1500))
        gone = min({f"/{number}" for number in range(40)} - {entry.key for entry in store.entries()})
        await store.commit(entry_at(gone, body=b"x" * 1500))
        for number in range(100):
            await store.commit(entry_at(f"/once/{number}", body=b"x" * 1500))
        assert gone in {entry.key for entry in store.entries()}
        await store.close()

    @pytest.mark.anyio
    async def test_an_entry_that_needs_the_room_of_many_gets_it(self, world: World) -> None:
        store = world.make(1_000_000)
        await store.open()
        for number in range(300):
            await store.commit(entry_at(f"/{number}", body=b"x" * 3000))
        large = entry_at("/large", body=b"x" * 900_000)
        assert await store.commit(large) is Commit.STORED
        assert await store.get("/large") == large
        assert sum(entry.size for entry in store.entries()) <= 1_000_000
        await store.close()

    @pytest.mark.anyio
    async def test_what_is_evicted_is_told_with_its_age_and_whether_it_was_read(self, world: World) -> None:
        size = entry_at("/00", body=b"x" * 1000).size
        store = world.make(10 * size)
        told: list[Eviction] = []
        store.evicted = told.extend
        await store.open()
        try:
            await store.commit(entry_at("/00", NOW, body=b"x" * 1000))
            assert await store.get("/00") is not None
            for number in range(1, 40):
                await store.commit(entry_at(f"/{number:02}", NOW + number, body=b"x" * 1000))
            assert (NOW + 1, False) in told
            assert len(told) == 40 - len(list(store.entries()))
            assert len({each.rendered_at for each in told}) == len(told)
            for _ in range(4):  # each turn costs what was read a read
                for number in range(40, 80):
                    await store.get(f"/{number:02}")
                    await store.commit(entry_at(f"/{number:02}", NOW + number, body=b"x" * 1000))
                    await store.get(f"/{number:02}")
            assert any(each.was_read for each in told)
        finally:
            await store.close()

    @pytest.mark.anyio
    async def test_its_figures_say_how_full_it_is(self, world: World) -> None:
        store = world.make(PLENTY)
        await store.open()
        try:
            empty = await _figures(store, 0)
            assert (empty.bytes, empty.limit) == (0, PLENTY)
            entry = entry_at("/a", body=b"x" * 1000)
            await store.commit(entry)
            await store.commit(entry_at("/b", body=b"x" * 1000))
            full = await _figures(store, 2)
            assert 2 * entry.size <= full.bytes <= 2 * entry.size + 2000
        finally:
            await store.close()

    @pytest.mark.anyio
    async def test_replacing_an_entry_frees_the_room_of_the_former_one(self, world: World) -> None:
        store = world.make(10_000)
        await store.open()
        await store.commit(entry_at("/kept", body=b"x" * 2000))
        for number in range(20):
            await store.commit(entry_at("/replaced", body=b"x" * 6000, rendered_at=NOW + number / 10))
        await store.remove("/replaced")
        await store.commit(entry_at("/next", body=b"x" * 6000))
        assert await store.get("/kept") is not None
        await store.close()

    # Seeds

    @pytest.mark.anyio
    async def test_seeded_entries_keep_their_age(self, store: Store) -> None:
        seeds = [entry_at(f"/{number}", rendered_at=NOW - 86_400 - number) for number in range(3)]
        await store.seed(seeds)
        for seed in seeds:
            assert await store.get(seed.key) == seed

    @pytest.mark.anyio
    async def test_a_seed_leaves_a_later_render_that_is_there_already(self, store: Store) -> None:
        regenerated = entry_at("/a", body=b"regenerated", rendered_at=NOW - 10)
        await store.commit(regenerated)
        await store.seed([entry_at("/a", body=b"from the build", rendered_at=NOW - 1000), entry_at("/b")])
        assert await store.get("/a") == regenerated
        assert await store.get("/b") == entry_at("/b")

    @pytest.mark.anyio
    async def test_a_seed_replaces_an_earlier_render(self, store: Store) -> None:
        await store.commit(entry_at("/a", body=b"of the former build", rendered_at=NOW - 1000, build="build-0"))
        seed = entry_at("/a", body=b"from the build", rendered_at=NOW - 10)
        await store.seed([seed])
        assert await store.get("/a") == seed

    @pytest.mark.anyio
    async def test_a_seed_leaves_a_later_render_of_another_build_that_shares_it(self, store: Store) -> None:
        older, newer, alone = (shared_key(f"response\0app/route.py\0/{name}\0", "f1") for name in "abc")
        await store.commit(entry_at(older, body=b"older", rendered_at=NOW - 1000, build="build-0"))
        later_render = entry_at(newer, body=b"newer", rendered_at=NOW - 10, build="build-0")
        await store.commit(later_render)
        seeds = [entry_at(key, rendered_at=NOW - 100, build="build-1") for key in (older, newer, alone)]
        await store.seed(seeds)
        assert [await store.get(key) for key in (older, newer, alone)] == [seeds[0], later_render, seeds[2]]

    @pytest.mark.anyio
    async def test_answers_of_routes_that_differ_are_never_each_others(self, store: Store) -> None:
        one, other = (shared_key("response\0app/route.py\0/a\0", fingerprint) for fingerprint in ("f1", "f2"))
        await store.commit(entry_at(one, build="build-0"))
        assert await store.get(other) is None
        await store.commit(entry_at(other, body=b"other", build="build-1"))
        assert await store.get(one) == entry_at(one, build="build-0")

    @pytest.mark.anyio
    async def test_a_seed_never_replaces_an_entry_of_a_later_generation(self, store: Store) -> None:
        generation = store.invalidate(["t"])
        by_a_slow_clock = entry_at("/a", rendered_at=NOW - 100, generation=generation)
        await store.commit(by_a_slow_clock)
        await store.seed([entry_at("/a", rendered_at=NOW - 1)])
        assert await store.get("/a") == by_a_slow_clock

    @pytest.mark.anyio
    async def test_seeding_twice_changes_nothing(self, store: Store) -> None:
        seed = entry_at("/a")
        await store.seed([seed])
        paused = seed.with_backoff(Backoff(NOW, 30, 0))
        await store.commit(paused)
        await store.seed([seed])
        assert await store.get("/a") == paused

    @pytest.mark.anyio
    async def test_a_seed_has_the_generation_that_the_counter_had_at_its_render(
        self, store: Store, world: World
    ) -> None:
        before = store.generation()
        for _ in range(3):
            world.clock.advance(10)
            store.invalidate(["t"])
        moments = {"/before": NOW + 5, "/between": NOW + 25, "/after": NOW + 35}
        await store.seed([entry_at(key, moment, tags=("t",)) for key, moment in moments.items()])
        found = {entry.key: entry for entry in store.entries()}
        generations = {key: entry.generation - before for key, entry in found.items()}
        assert generations == {"/before": 0, "/between": 2, "/after": 3}
        assert not judge(found["/between"], world.clock(), store.row, BUILD).servable
        assert judge(found["/after"], world.clock(), store.row, BUILD).fresh

    @pytest.mark.anyio
    async def test_a_seed_that_fails_half_way_stores_nothing(self, store: Store) -> None:
        def broken() -> Any:
            yield entry_at("/a")
            raise OSError("the build's file ends here")

        with pytest.raises(OSError, match="ends here"):
            await store.seed(broken())
        assert list(store.entries()) == []

    @pytest.mark.anyio
    async def test_a_seed_that_was_invalidated_before_is_not_servable(self, store: Store, world: World) -> None:
        store.invalidate(["t"])
        await store.seed([entry_at("/a", rendered_at=NOW - 1, tags=("t",), generation=99)])
        entry = await store.get("/a")
        assert entry is None or not judge(entry, world.clock(), store.row, BUILD).servable

    # Invalidations

    @pytest.mark.anyio
    async def test_the_generation_counts_invalidations(self, store: Store) -> None:
        before = store.generation()
        assert store.invalidate(["a", "b", "c"]) == before + 1
        assert store.invalidate(["a"], expire_after=None) == before + 2
        assert store.invalidate(["never seen"], expire_after=30) == before + 3
        assert store.generation() == before + 3

    @pytest.mark.anyio
    async def test_the_version_changes_with_whatever_anybody_writes(self, store: Store, world: World) -> None:
        for writer in (store, await world.beside(store)):
            versions = [store.version()]
            await writer.commit(entry_at("/a"))
            await store.get("/a")  # from elsewhere it may take a moment to get about; who asks for it has it
            versions.append(store.version())
            writer.invalidate(["t"])
            versions.append(store.version())
            await writer.seed([entry_at("/b")])
            await store.get("/b")
            versions.append(store.version())
            await writer.remove("/a")
            versions.append(store.version())
            await writer.remove("/b")
            assert len(set(versions)) == len(versions)

    @pytest.mark.anyio
    async def test_reading_does_not_change_the_version(self, store: Store) -> None:
        await store.commit(entry_at("/a"))
        version = store.version()
        assert (store.peek("/a"), store.peek("/b"), store.row("t")) == (await store.get("/a"), None, None)
        assert store.version() == version

    @pytest.mark.anyio
    async def test_an_invalidation_without_tags_counts_and_concerns_nobody(self, store: Store, world: World) -> None:
        entry = entry_at(tags=("t",), generation=store.generation())
        await store.commit(entry)
        assert store.invalidate([]) == store.generation()
        assert judge(entry, world.clock(), store.row, BUILD).fresh

    @pytest.mark.anyio
    async def test_a_tag_that_was_never_invalidated_has_no_row(self, store: Store) -> None:
        store.invalidate(["other"])
        assert store.row("t") is None

    @pytest.mark.anyio
    async def test_a_row_says_how_the_tag_was_invalidated(self, store: Store, world: World) -> None:
        hard = store.invalidate(["hard"])
        soft = store.invalidate(["soft"], expire_after=None)
        window = store.invalidate(["window"], expire_after=30)
        assert store.row("hard") == TagRow(hard, expired=hard)
        assert store.row("soft") == TagRow(soft)
        assert store.row("window") == TagRow(window, expiring=window, expire_at=world.clock() + 30)

    @pytest.mark.anyio
    async def test_a_later_soft_invalidation_keeps_the_earlier_hard_one(self, store: Store) -> None:
        hard = store.invalidate(["t"])
        soft = store.invalidate(["t"], expire_after=None)
        assert store.row("t") == TagRow(soft, expired=hard)

    @pytest.mark.anyio
    async def test_a_tag_is_remembered_for_entries_that_carry_it_later(self, store: Store, world: World) -> None:
        old = entry_at("/a", tags=("t",), generation=store.generation())
        store.invalidate(["t"])
        assert not judge(old, world.clock(), store.row, BUILD).servable

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        "tag", ["", "a,b", "a\0b", "\u00e9\U0001f986", "x" * 300, "__class__", "_N_T_/a/[id]/route"]
    )
    async def test_any_string_is_a_tag(self, store: Store, tag: str) -> None:
        generation = store.invalidate([tag])
        assert store.row(tag) == TagRow(generation, expired=generation)
        assert all(store.row(other) is None for other in ("a", "b", "x", "_N_T_/a"))

    @pytest.mark.anyio
    async def test_tags_may_come_from_a_generator_and_more_than_once(self, store: Store) -> None:
        generation = store.invalidate(tag for tag in ("a", "b", "a"))
        assert store.row("a") == store.row("b") == TagRow(generation, expired=generation)

    @pytest.mark.anyio
    async def test_after_invalidate_returned_every_process_knows(self, store: Store, world: World) -> None:
        other = await world.beside(store)
        entry = entry_at(tags=("t",), generation=other.generation())
        await other.commit(entry)
        generation = store.invalidate(["t"])
        assert other.generation() >= generation
        assert not judge(entry, world.clock(), other.row, BUILD).servable
        back = other.invalidate(["t"], expire_after=None)
        assert back > generation
        assert store.row("t") == TagRow(back, expired=generation)

    @pytest.mark.anyio
    async def test_invalidations_from_any_thread_are_all_counted(self, store: Store) -> None:
        before = store.generation()
        with ThreadPoolExecutor(4) as threads:
            generations = list(threads.map(lambda number: store.invalidate([f"t{number % 5}"]), range(50)))
        assert sorted(generations) == list(range(before + 1, before + 51))
        assert store.generation() == before + 50

    # Leases

    @pytest.mark.anyio
    async def test_a_lease_has_one_holder(self, store: Store, world: World) -> None:
        lease = await taken(store, "/a")
        assert lease.key == "/a"
        assert await store.acquire("/a", 10) is None
        assert await (await world.beside(store)).acquire("/a", 10) is None

    @pytest.mark.anyio
    async def test_of_many_who_ask_at_once_one_gets_the_lease(self, store: Store) -> None:
        leases = await asyncio.gather(*(store.acquire("/a", 10) for _ in range(50)))
        assert sum(lease is not None for lease in leases) == 1

    @pytest.mark.anyio
    async def test_leases_of_different_keys_are_independent(self, store: Store) -> None:
        one, other = await taken(store, "/a"), await taken(store, "/b")
        assert one.token != other.token
        await store.release(one)
        assert await store.acquire("/b", 10) is None

    @pytest.mark.anyio
    async def test_a_lease_that_ran_out_is_free(self, store: Store, world: World) -> None:
        first = await taken(store, "/a", 10)
        world.monotonic.advance(9.5)
        assert await store.acquire("/a", 10) is None
        world.monotonic.advance(0.5)
        second = await taken(store, "/a", 10)
        assert second.token != first.token

    @pytest.mark.anyio
    async def test_the_wall_clock_does_not_end_a_lease(self, store: Store, world: World) -> None:
        await taken(store, "/a", 10)
        world.clock.advance(3600)
        assert await store.acquire("/a", 10) is None

    @pytest.mark.anyio
    async def test_a_released_lease_is_free(self, store: Store) -> None:
        first = await taken(store, "/a")
        await store.release(first)
        second = await taken(store, "/a")
        assert second.token != first.token

    @pytest.mark.anyio
    async def test_releasing_what_another_holds_by_now_does_nothing(self, store: Store, world: World) -> None:
        first = await taken(store, "/a", 10)
        world.monotonic.advance(11)
        second = await taken(store, "/a", 10)
        await store.release(first)
        assert await store.acquire("/a", 10) is None
        await store.release(second)
        await store.release(second)
        assert await store.acquire("/a", 10) is not None

    @pytest.mark.anyio
    async def test_a_renewed_lease_lasts_longer(self, store: Store, world: World) -> None:
        lease = await taken(store, "/a", 10)
        world.monotonic.advance(8)
        assert await store.renew(lease, 10)
        world.monotonic.advance(8)
        assert await store.acquire("/a", 10) is None
        world.monotonic.advance(2)
        assert await store.acquire("/a", 10) is not None

    @pytest.mark.anyio
    async def test_a_lost_lease_is_not_renewed(self, store: Store, world: World) -> None:
        ran_out = await taken(store, "/a", 10)
        world.monotonic.advance(10)
        assert not await store.renew(ran_out, 10)
        second = await taken(store, "/a", 10)
        assert not await store.renew(ran_out, 10)
        await store.release(second)
        assert not await store.renew(second, 10)
        assert await store.acquire("/a", 10) is not None

    @pytest.mark.anyio
    async def test_nobody_waits_for_a_lease_that_nobody_holds(self, store: Store, world: World) -> None:
        await asyncio.wait_for(store.wait("/a", 3600), timeout=1)
        await taken(store, "/a", 10)
        world.monotonic.advance(10)
        await asyncio.wait_for(store.wait("/a", 3600), timeout=1)

    @pytest.mark.anyio
    async def test_a_release_wakes_all_who_wait(self, store: Store) -> None:
        lease = await taken(store, "/a", 3600)
        waiting = [asyncio.create_task(store.wait("/a", 3600)) for _ in range(5)]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in waiting)
        await store.release(lease)
        for task in waiting:
            await soon(task)

    @pytest.mark.anyio
    async def test_who_waits_goes_on_when_the_lease_runs_out(self, store: Store, world: World) -> None:
        await taken(store, "/a", 10)
        waiting = asyncio.create_task(store.wait("/a", 3600))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        world.monotonic.advance(10)
        await soon(waiting)

    @pytest.mark.anyio
    async def test_who_waits_goes_on_after_the_time_given(self, store: Store) -> None:
        await taken(store, "/a", 3600)
        await asyncio.wait_for(store.wait("/a", 0.01), timeout=5)
        assert await store.acquire("/a", 10) is None

    @pytest.mark.anyio
    async def test_a_waiter_that_was_cancelled_disturbs_nobody(self, store: Store) -> None:
        lease = await taken(store, "/a", 3600)
        gone, there = (asyncio.create_task(store.wait("/a", 3600)) for _ in range(2))
        await asyncio.sleep(0.01)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        await store.release(lease)
        await soon(there)
