"""Random histories of a store against a model of what its contract allows.

The model keeps every invalidation there ever was. So it knows what the store's rows may at most have forgotten.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from conformance import BUILD, NOW, MovableClock, entry_at
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule
from msgspec.structs import replace

from long_form import times
from millpond.policy.freshness import judge
from millpond.policy.tags import Cleanliness, judge_tags
from millpond.stores.contract import Commit
from millpond.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from millpond.policy.entry import Entry
    from millpond.stores.contract import Lease, Store

T = TypeVar("T")

KEYS = st.sampled_from(["/a", "/b", "/c"])
TAGS = st.lists(st.sampled_from(["t", "u", "v", "w"]), max_size=3, unique=True).map(tuple)
SECONDS = st.sampled_from([0.5, 1.0, 4.0, 5.0, 30.0])


class Invalidation(NamedTuple):
    generation: int
    tag: str
    at: float
    expire_after: float | None

    def has_ended(self, now: float) -> bool:
        return self.expire_after is not None and self.at + self.expire_after <= now


@dataclass
class Model:
    """Every invalidation, and the entry that each key must have."""

    invalidations: list[Invalidation] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    leases: dict[str, tuple[Lease, float]] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    """When each generation began: one for each invalidation, also for those without tags."""

    def concerning(self, entry: Entry) -> list[Invalidation]:
        """The invalidations that the render of `entry` knew nothing of."""
        return [one for one in self.invalidations if one.tag in entry.tags and one.generation > entry.generation]

    def must_be_expired(self, entry: Entry, now: float) -> bool:
        return any(one.has_ended(now) for one in self.concerning(entry))

    def may_be_expired(self, entry: Entry, now: float) -> bool:
        """A row keeps one window for each tag: of two that overlap, both may end with the earlier."""
        return self.must_be_expired(entry, now) or any(
            one.tag == other.tag
            and one.expire_after is not None
            and other.has_ended(now)
            and not other.has_ended(one.at)
            for one in self.concerning(entry)
            for other in self.invalidations
        )

    def holds(self, lease: Lease, now: float) -> bool:
        held = self.leases.get(lease.key)
        return held is not None and held[0] == lease and held[1] > now


class StoreMachine(RuleBasedStateMachine):
    """Renders that begin, end and are committed while tags are invalidated and clocks move."""

    max_bytes: ClassVar[int] = 1_000_000
    max_tags: ClassVar[int] = 100_000
    exact: ClassVar[bool] = True
    """Whether the store keeps all: nothing is evicted, no row is given up."""

    renders = Bundle("renders")
    leases = Bundle("leases")

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.clock = self.make_clock()
        self.store = self.make_store()
        self.run(self.store.open())
        self.model = Model()
        self.handed_over: list[Entry] = []

    def make_clock(self) -> MovableClock:
        """What time it is, and what leases are measured by."""
        return MovableClock(NOW)

    def at_hand(self, key: str) -> Entry | None:
        """What the store knows of a key, when it is asked in the quickest way."""
        return self.store.peek(key)

    def make_store(self) -> Store:
        """The store that is put to the test; closed by `teardown`."""
        return MemoryStore(max_bytes=self.max_bytes, clock=self.clock, max_tags=self.max_tags, monotonic=self.clock)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.run(self.store.close())
            self.runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @rule(seconds=SECONDS)
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(target=renders, key=KEYS, tags=TAGS, revalidate=st.sampled_from([None, 3.0]), size=st.integers(0, 900))
    def begin_render(self, key: str, tags: tuple[str, ...], revalidate: float | None, size: int) -> Entry:
        generation = self.store.generation()
        return entry_at(
            key,
            self.clock(),
            body=b"x" * size,
            tags=tags,
            revalidate=revalidate,
            expire=None if revalidate is None else 20.0,
            generation=generation,
        )

    @rule(entry=consumes(renders))
    def commit(self, entry: Entry) -> None:
        self.check_commit(entry, self.run(self.store.commit(entry)))

    @rule(entry=consumes(renders), lease=leases)
    def commit_under_a_lease(self, entry: Entry, lease: Lease) -> None:
        held = self.model.holds(lease, self.clock())
        outcome = self.run(self.store.commit(entry, lease))
        if held:
            self.check_commit(entry, outcome)
        else:
            assert outcome is Commit.LEASE_LOST

    def check_commit(self, entry: Entry, outcome: Commit) -> None:
        self.handed_over.append(entry)
        now, former = self.clock(), self.model.entries.get(entry.key)
        if self.model.must_be_expired(entry, now):
            assert outcome is Commit.INVALIDATED
        elif outcome is Commit.INVALIDATED:
            assert not self.exact or self.model.may_be_expired(entry, now)
        elif former is not None and self.exact:
            older = (entry.generation, entry.rendered_at) < (former.generation, former.rendered_at)
            assert outcome is (Commit.SUPERSEDED if older else Commit.STORED)
        elif self.exact:
            assert outcome is Commit.STORED
        if outcome is Commit.STORED:
            self.model.entries[entry.key] = entry

    @rule(keys=st.lists(KEYS, max_size=3), age=st.sampled_from([0.0, 0.5, 2.0, 8.0]), tags=TAGS)
    def seed(self, keys: list[str], age: float, tags: tuple[str, ...]) -> None:
        moment = self.clock() - age
        generation = sum(at < moment for at in self.model.times)
        built = [entry_at(key, moment, tags=tags, generation=99, revalidate=None) for key in keys]
        self.run(self.store.seed(built))
        for entry in (replace(entry, generation=generation) for entry in built):
            self.handed_over.append(entry)
            held = self.model.entries.get(entry.key)
            if held is None or (held.rendered_at < moment and held.generation <= generation):
                self.model.entries[entry.key] = entry

    @rule(key=KEYS)
    def remove(self, key: str) -> None:
        self.run(self.store.remove(key))
        self.model.entries.pop(key, None)
        assert self.store.peek(key) is None

    @rule(tags=TAGS, expire_after=st.sampled_from([0, None, 2.0, 10.0]))
    def invalidate(self, tags: tuple[str, ...], expire_after: float | None) -> None:
        generation = self.store.invalidate(tags, expire_after=expire_after)
        self.model.times.append(self.clock())
        assert generation == self.store.generation() == len(self.model.times)
        self.model.invalidations += [Invalidation(generation, tag, self.clock(), expire_after) for tag in tags]

    @rule(target=leases, key=KEYS, seconds=SECONDS)
    def acquire(self, key: str, seconds: float) -> Any:
        lease = self.run(self.store.acquire(key, seconds))
        held = self.model.leases.get(key)
        assert (lease is None) is (held is not None and held[1] > self.clock())
        if lease is None:
            assert held is not None
            return held[0]
        self.model.leases[key] = (lease, self.clock() + seconds)
        return lease

    @rule(lease=leases, seconds=SECONDS)
    def renew(self, lease: Lease, seconds: float) -> None:
        held = self.model.holds(lease, self.clock())
        assert self.run(self.store.renew(lease, seconds)) is held
        if held:
            self.model.leases[lease.key] = (lease, self.clock() + seconds)

    @rule(lease=leases)
    def release(self, lease: Lease) -> None:
        self.run(self.store.release(lease))
        held = self.model.leases.get(lease.key)
        if held is not None and held[0] == lease:
            del self.model.leases[lease.key]

    @rule(key=KEYS)
    def wait_for_nobody(self, key: str) -> None:
        held = self.model.leases.get(key)
        if held is None or held[1] <= self.clock():
            self.run(self.store.wait(key, 3600))

    @invariant()
    @precondition(lambda self: hasattr(self, "store"))
    def no_entry_is_served_that_an_invalidation_forbids(self) -> None:
        now = self.clock()
        for entry in self.store.entries():
            judgement = judge(entry, now, self.store.row, BUILD)
            if self.model.concerning(entry):
                assert not judgement.fresh
            if self.model.must_be_expired(entry, now):
                assert not judgement.servable

    @invariant()
    @precondition(lambda self: hasattr(self, "store"))
    def no_entry_is_called_invalidated_without_an_invalidation(self) -> None:
        now = self.clock()
        for entry in self.store.entries():
            verdict = judge_tags(entry.tags, entry.generation, self.store.row, now)
            if verdict.cleanliness is Cleanliness.EXPIRED:
                assert self.model.may_be_expired(entry, now)
            assert (verdict.cleanliness is Cleanliness.CLEAN) is not bool(self.model.concerning(entry))

    @invariant()
    @precondition(lambda self: hasattr(self, "store"))
    def the_entries_are_those_handed_over(self) -> None:
        found = {entry.key: entry for entry in self.store.entries()}
        assert sum(entry.size for entry in found.values()) <= self.max_bytes
        for key in ("/a", "/b", "/c"):
            assert self.at_hand(key) == found.get(key)
        if self.exact:
            assert found == self.model.entries
        else:
            assert all(entry in self.handed_over for entry in found.values())
            gone = [entry for key, entry in self.model.entries.items() if key not in found]
            assert all(self.may_be_gone(entry) for entry in gone)
            self.model.entries = found

    def may_be_gone(self, entry: Entry) -> bool:
        """Whether the store may have given up an entry by itself."""
        return not self.exact


class TightStoreMachine(StoreMachine):
    """The same with room for two entries and two tag rows: much is given up, and still nothing is served wrongly."""

    max_bytes = 2_000
    max_tags = 2
    exact = False


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=times(15, 200), stateful_step_count=40, deadline=None)
TestTightStoreMachine = TightStoreMachine.TestCase
TestTightStoreMachine.settings = settings(max_examples=times(15, 200), stateful_step_count=40, deadline=None)
