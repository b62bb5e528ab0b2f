"""Random histories of several processes with one store: what no reader may ever see, and how often work is done.

{get, work ends well, work fails, stale, expire, a window, time passes, restart, evict}, for answers and for data:
nothing older than an expire is served to who came after it, one run at a time for a key and none for what is fresh,
within the stale window nobody waits, a failure takes no good answer away, and everything ends.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from reliability_fronts import EXPIRE, DataFront, Front, ResponsesFront, Workshop, tag_of

from millpond.stores.memory import MemoryStore
from ponds import Clock, turns

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from millpond.policy.entry import Entry

PROCESSES = 2
PROCESS = st.integers(0, PROCESSES - 1)
PATH = st.sampled_from(["a", "b"])
ENOUGH = 40
"""Turns of the loop after which everything waits for a gate."""


class Expiry(NamedTuple):
    generation: int
    path: str | None
    """None: all paths."""
    at: float
    """From when on what is older may not be served."""


@dataclass
class Reader:
    path: str
    process: int
    came_at: float
    needs: int
    """The generation below which an answer is older than an expire that had returned when the reader came."""
    task: asyncio.Task[Entry]


@dataclass
class Good:
    """The last answer that was made well, and that nothing has taken away since."""

    generation: int
    rendered_at: float


@dataclass
class Model:
    expiries: list[Expiry] = field(default_factory=list)
    good: dict[str, Good] = field(default_factory=dict)
    readers: list[Reader] = field(default_factory=list)

    def needed(self, path: str, now: float) -> int:
        due = (one.generation for one in self.expiries if one.path in (path, None) and one.at <= now)
        return max(due, default=0)

    def at_hand(self, path: str, now: float) -> Good | None:
        good = self.good.get(path)
        if good is None or good.generation < self.needed(path, now) or now - good.rendered_at > EXPIRE:
            return None
        return good


class Histories(RuleBasedStateMachine):
    front: ClassVar[type[ResponsesFront | DataFront]]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.store = MemoryStore(max_bytes=1_000_000, clock=self.clock)
        self.workshop = Workshop(self.store, self.clock)
        self.processes: list[Front] = [self.front(self.workshop) for _ in range(PROCESSES)]
        self.model = Model()
        self.failed: set[str] = set()
        logging.disable(logging.CRITICAL)  # failing work is logged with its traceback, thousands of times

    def teardown(self) -> None:
        async def stop() -> None:
            for process in self.processes:
                await process.stop()
            await asyncio.gather(*(reader.task for reader in self.model.readers), return_exceptions=True)

        self.runner.run(stop())
        self.runner.close()
        logging.disable(logging.NOTSET)

    def play(self, *work: Awaitable[object]) -> None:
        """Do it, and let everything run until it waits; then look at who has been answered."""

        async def playing() -> None:
            for one in work:
                await one
            await turns(ENOUGH)

        self.runner.run(playing())
        for reader in [reader for reader in self.model.readers if reader.task.done()]:
            self.model.readers.remove(reader)
            self.check(reader)

    def check(self, reader: Reader) -> None:
        if reader.task.cancelled() or reader.task.exception() is not None:
            # A reader may only fail by work that failed, or was cut off by a restart, while nothing was at hand.
            assert reader.path in self.failed, "nothing had failed"
            return
        entry = reader.task.result()
        assert entry.generation >= reader.needs, "older than an expire that had returned"
        assert reader.came_at - entry.rendered_at <= EXPIRE, "past its end"

    @rule(path=PATH, process=PROCESS)
    def get(self, path: str, process: int) -> None:
        now = self.clock()
        at_hand = self.model.at_hand(path, now)
        before = {id(reader) for reader in self.model.readers}

        async def begin() -> None:
            task = asyncio.create_task(self.processes[process].get(path))
            self.model.readers.append(Reader(path, process, now, self.model.needed(path, now), task))

        self.play(begin())
        came = {id(reader) for reader in self.model.readers} - before
        assert at_hand is None or not came, "somebody waits though an answer is at hand"

    @precondition(lambda self: self.workshop.running)
    @rule(which=st.integers(0, 10), fails=st.sampled_from([False, False, False, True]))
    def work_ends(self, which: int, *, fails: bool) -> None:
        run = self.workshop.running[which % len(self.workshop.running)]
        path = run.path
        if fails:
            run.error = OSError("no source")
            self.failed.add(path)
        run.may_end.set()
        self.play()
        stored = self.store.peek(self.processes[0].key(path))
        if not fails and stored is not None:
            self.model.good[path] = Good(stored.generation, stored.rendered_at)

    @rule(seconds=st.sampled_from([1.0, 5.0, 11.0, 40.0, 101.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.move(seconds)

    @rule(path=st.sampled_from(["a", "b", None]))
    def revalidate_stale(self, path: str | None) -> None:
        self.store.invalidate([tag_of(path) if path else "all"], expire_after=None)

    @rule(path=st.sampled_from(["a", "b", None]), seconds=st.sampled_from([0.0, 0.0, 3.0, 30.0]))
    def expire(self, path: str | None, seconds: float) -> None:
        generation = self.store.invalidate([tag_of(path) if path else "all"], expire_after=seconds)
        self.model.expiries.append(Expiry(generation, path, self.clock() + seconds))

    @rule(path=PATH, processes=st.tuples(PROCESS, PROCESS), window=st.sampled_from([0.0, 3.0]))
    def expire_between_two_requests(self, path: str, processes: tuple[int, int], window: float) -> None:
        self.get(path=path, process=processes[0])
        self.expire(path=path, seconds=window)
        self.clock.move(window)
        self.get(path=path, process=processes[1])

    @rule(process=PROCESS)
    def restart(self, process: int) -> None:
        self.failed.update(reader.path for reader in self.model.readers)
        self.failed.update(run.path for run in self.workshop.running)
        self.play(self.processes[process].stop())
        self.processes[process] = self.front(self.workshop)

    @rule(path=PATH)
    def evict(self, path: str) -> None:
        self.model.good.pop(path, None)
        self.play(self.store.remove(self.processes[0].key(path)))

    @invariant()
    def one_run_at_a_time_for_a_key(self) -> None:
        paths = [run.path for run in self.workshop.running]
        assert len(paths) == len(set(paths))

    @invariant()
    def nothing_fresh_is_made_again(self) -> None:
        assert not [run.path for run in self.workshop.running if run.fresh_entry_at_start]

    @invariant()
    def whoever_waits_waits_for_work(self) -> None:
        if self.model.readers:
            assert {reader.path for reader in self.model.readers} <= {run.path for run in self.workshop.running}


class HistoriesOfAnswers(Histories):
    front = ResponsesFront


class HistoriesOfData(Histories):
    front = DataFront


_SETTINGS = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestAnswers = HistoriesOfAnswers.TestCase
TestAnswers.settings = _SETTINGS
TestData = HistoriesOfData.TestCase
TestData.settings = _SETTINGS
