"""The random histories of test_store_machine.py, with a real LMDB file, restarts, and a second view of the file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import BUILD
from hypothesis import settings
from hypothesis.stateful import invariant, precondition, rule
from test_store_machine import StoreMachine

from long_form import times
from millpond.policy.freshness import judge
from millpond.stores.lmdb.store import LmdbStore

if TYPE_CHECKING:
    from millpond.policy.entry import Entry
    from millpond.stores.contract import Store


class LmdbStoreMachine(StoreMachine):
    """The store is closed and opened again between any two steps; `beside` sees what another process would see."""

    def make_store(self) -> Store:
        self.place = tempfile.TemporaryDirectory(prefix="millpond-")
        self.beside = self.view()
        self.run(self.beside.open())
        return self.view()

    def view(self) -> LmdbStore:
        return LmdbStore(
            Path(self.place.name) / "store",
            max_bytes=self.max_bytes,
            clock=self.clock,
            max_tags=self.max_tags,
            monotonic=self.clock,
        )

    def teardown(self) -> None:
        if hasattr(self, "beside"):
            self.run(self.beside.close())
        super().teardown()
        if hasattr(self, "place"):
            self.place.cleanup()

    @rule()
    def restart_one_process(self) -> None:
        self.run(self.store.close())
        self.store = self.view()
        self.run(self.store.open())

    @rule()
    def restart_all_processes(self) -> None:
        """Then nobody is left who could hold a lease."""
        self.run(self.beside.close())
        self.restart_one_process()
        self.run(self.beside.open())
        self.model.leases.clear()

    @invariant()
    @precondition(lambda self: hasattr(self, "beside"))
    def every_process_sees_the_same(self) -> None:
        assert self.beside.generation() == self.store.generation()
        now = self.clock()
        for entry in self.store.entries():
            assert judge(entry, now, self.beside.row, BUILD) == judge(entry, now, self.store.row, BUILD)
        for key in ("/a", "/b", "/c"):
            assert self.beside.peek(key) == self.store.peek(key)

    @rule()
    def prune(self) -> None:
        """As it happens in the background."""
        self.run(self.lmdb().tidy())

    def lmdb(self) -> LmdbStore:
        assert isinstance(self.store, LmdbStore)
        return self.store


class FewRowsLmdbStoreMachine(LmdbStoreMachine):
    """Room for one tag row, and for any entry: none is lost because of the rows."""

    max_tags = 1
    exact = False

    def may_be_gone(self, entry: Entry) -> bool:
        """Only if nobody may be served with it; or a seed from before invalidations that aren't known any more."""
        with self.lmdb()._transactions.reading() as reading:
            floor = reading.state().floor
        return self.model.may_be_expired(entry, self.clock()) or entry.generation < floor


class TightLmdbStoreMachine(LmdbStoreMachine):
    """As TightStoreMachine: room for two entries and two tag rows."""

    max_bytes = 2_000
    max_tags = 2
    exact = False


TestLmdbStoreMachine = LmdbStoreMachine.TestCase
TestLmdbStoreMachine.settings = settings(max_examples=times(12, 100), stateful_step_count=40, deadline=None)
TestFewRowsLmdbStoreMachine = FewRowsLmdbStoreMachine.TestCase
TestFewRowsLmdbStoreMachine.settings = settings(max_examples=times(12, 200), stateful_step_count=40, deadline=None)
TestTightLmdbStoreMachine = TightLmdbStoreMachine.TestCase
TestTightLmdbStoreMachine.settings = settings(max_examples=times(12, 100), stateful_step_count=40, deadline=None)
