"""The random histories of test_store_machine.py, with a real LMDB file, restarts, and a second view of the file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis.stateful import invariant, precondition, rule
from test_store_machine import StoreMachine

from long_form import times
from millpond.stores.lmdb.store import LmdbStore

if TYPE_CHECKING:
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
        for tag in ("t", "u", "v", "w"):
            assert self.beside.row(tag) == self.store.row(tag)
        for key in ("/a", "/b", "/c"):
            assert self.beside.peek(key) == self.store.peek(key)


class TightLmdbStoreMachine(LmdbStoreMachine):
    """As TightStoreMachine: room for two entries and two tag rows."""

    max_bytes = 2_000
    max_tags = 2
    exact = False


TestLmdbStoreMachine = LmdbStoreMachine.TestCase
TestLmdbStoreMachine.settings = settings(max_examples=times(12, 100), stateful_step_count=40, deadline=None)
TestTightLmdbStoreMachine = TightLmdbStoreMachine.TestCase
TestTightLmdbStoreMachine.settings = settings(max_examples=times(12, 100), stateful_step_count=40, deadline=None)
