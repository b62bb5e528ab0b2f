"""Random histories of the shared store against the model, and of one that gives up what it can't keep."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, ClassVar

from conformance import BUILD, NOW, MovableClock
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from test_store_machine import StoreMachine

from engines import Engine, engine, settle
from long_form import times
from millpond.stores.valkey.store import ValkeyStore

if TYPE_CHECKING:
    import redis

    from millpond.policy.entry import Entry
    from millpond.stores.contract import Lease, Store

__all__ = ["engine"]

SOME = settings(max_examples=times(8, 60), stateful_step_count=30, deadline=None)
_prefixes = (f"machine-{number}" for number in itertools.count())


def test_any_history_is_one_that_the_contract_allows(engine: Engine) -> None:
    class Machine(SharedMachine):
        server = engine

    run_state_machine_as_test(Machine, settings=SOME)


def test_what_is_given_up_never_makes_anybody_see_what_was_invalidated(engine: Engine) -> None:
    class Machine(SharedMachine):
        server, max_bytes, max_tags, exact = engine, 2_000, 2, False

    run_state_machine_as_test(Machine, settings=SOME)


class LeaseClock(MovableClock):
    """Leases run by the server's clock, which can't be moved: they last for long there, and are ended by this one."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(NOW)
        self._client, self._ends = client, dict[str, float]()

    def lasts(self, lease: str, seconds: float) -> None:
        self._client.expire(lease, 3600)
        self._ends[lease] = self.now + seconds

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        for lease in [lease for lease, ends in self._ends.items() if ends <= self.now]:
            del self._ends[lease]
            self._client.delete(lease)


class Shared(ValkeyStore):
    """The shared store, whose leases end by a clock that is moved."""

    leases: LeaseClock

    async def acquire(self, key: str, seconds: float) -> Lease | None:
        lease = await super().acquire(key, seconds)
        if lease is not None:
            self.leases.lasts(self._layout.lease(self._layout.name(key)), seconds)
        return lease

    async def renew(self, lease: Lease, seconds: float) -> bool:
        held = await super().renew(lease, seconds)
        if held:
            self.leases.lasts(self._layout.lease(self._layout.name(lease.key)), seconds)
        return held


class SharedMachine(StoreMachine):
    server: ClassVar[Engine]

    def make_clock(self) -> MovableClock:
        self.prefix = next(_prefixes)
        self.client = self.server.client()
        settle(self.client, self.prefix)
        return LeaseClock(self.client)

    def make_store(self) -> Store:
        store = Shared(
            self.server.address,
            prefix=self.prefix,
            build=BUILD,
            max_bytes=self.max_bytes,
            max_tags=self.max_tags,
            clock=self.clock,
            timeout=10,
        )
        assert isinstance(self.clock, LeaseClock)
        store.leases = self.clock
        return store

    def at_hand(self, key: str) -> Entry | None:
        """What this process knows of an entry may have been evicted in the server."""
        return self.run(self.store.get(key))

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "client"):
            self.client.close()
