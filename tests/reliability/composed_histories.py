"""Random histories of one application whose answers are composed: nobody reads what a returned invalidation has ended.

Answers are made of other answers (fetches of own paths), of cached functions in cached functions, of what was told
before an error, and of what threads, pools and executors have read. Data changes, and is invalidated by its tag or by
the path of an answer that others are made of, while requests are under way.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import seed as reproduce
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from millpond.routes.imports import forget
from ponds import Clock, Project

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from ponds import Running

NAMES = ["a", "b"]
LONG = 100
"""Steps of one of many histories."""
SOURCES = """
import asyncio, threading
from concurrent.futures import ThreadPoolExecutor
from millpond import cache_tag, cached

versions = {"a": 0, "b": 0}
failing = set()

@cached
def load(name):
    cache_tag(f"data:{name}")
    version = versions[name]
    if name in failing: raise LookupError(version)
    return version

@cached(revalidate=50)
async def outer(name): return [load(name)]

@cached
async def outermost(name):
    try: return (await outer(name))[0]
    except LookupError as error: return error.args[0]

@cached
async def later(name):
    await asyncio.sleep(0)
    return load(name)

def told(name):
    try: return load(name)
    except LookupError as error: return error.args[0]

def pooled(name):
    with ThreadPoolExecutor(2) as pool: return max(pool.map(told, [name, name]))

def threaded(name):
    found = []
    thread = threading.Thread(target=lambda: found.append(told(name)))
    thread.start()
    thread.join()
    return found[0]
"""
ROUTE = """
import asyncio
from millpond import fetch
from app import sources
from app.sources import later, load, outer, outermost, pooled, threaded, told
dynamic = "force-static"
{config}
def generate_static_params(): return []
async def GET(name: str):
    return {{"version": {value}}}
"""
OWN = "(await fetch(f'/data/{name}')).json()['version']"
VALUES = {
    "data": "told(name)",
    "own": OWN,
    "deep": "(await fetch(f'/own/{name}')).json()['version']",
    "nested": "await outermost(name)",
    "thread": "await asyncio.to_thread(threaded, name)",
    "pool": "await asyncio.to_thread(pooled, name)",
    "executor": "await asyncio.get_running_loop().run_in_executor(None, told, name)",
    "all": f"min(await asyncio.to_thread(pooled, name), await outermost(name), {OWN})",
    "given": "await given(name)",
}
GIVEN = """
async def given(name):
    try: return await asyncio.wait_for(later(name), 10)
    except LookupError as error: return error.args[0]
"""
FOLLOW_THE_PATH = {"data", "own", "deep"}
"""Of these `revalidate_path` of the answer that they are made of is the end."""
COMMANDS = """
from millpond import revalidate_path, revalidate_tag
from app import sources
dynamic = "force-dynamic"

def POST(name: str, how: str, fails: bool):
    sources.versions[name] += 1
    (sources.failing.add if fails else sources.failing.discard)(name)
    if how == "tag": revalidate_tag(f"data:{name}")
    if how == "window": revalidate_tag(f"data:{name}", {"expire": 0})
    if how == "path": revalidate_path(f"/data/{name}")
    if how == "pattern": revalidate_path("/data/[name]")
    if how == "soft": revalidate_tag(f"data:{name}", "max")
    return sources.versions[name]
"""
AT_ONCE = {"tag", "window"}
BY_PATH = {"path", "pattern"}


def write_composed(project: Project) -> None:
    project.write({"app/sources.py": SOURCES})
    configs = {"nested": "revalidate = 30", "pool": "revalidate = 20"}
    routes = {
        f"/{kind}/[name]": ROUTE.format(config=configs.get(kind, ""), value=value) + (GIVEN if kind == "given" else "")
        for kind, value in VALUES.items()
    }
    project.routes({**routes, "/change": COMMANDS})


class ComposedHistories(RuleBasedStateMachine):
    """One application, whose event loop runs while a step does."""

    config: ClassVar[dict[str, Any]] = {"compat": "14"}
    counts: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.project = Project(Path(self.folder.name), Clock())
        write_composed(self.project)
        self.floors = {(kind, name): 0 for kind in VALUES for name in NAMES}
        """The version below which an answer is stale: that of the last invalidation that has returned."""
        self.runner = asyncio.Runner()
        self.running: Running
        logging.disable(logging.CRITICAL)
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        self.over, started = asyncio.Event(), asyncio.Event()

        async def serve() -> None:
            async with self.project.started(**self.config) as self.running:
                started.set()
                await self.over.wait()

        self.served = asyncio.create_task(serve())
        waiting = asyncio.create_task(started.wait())
        await asyncio.wait((self.served, waiting), return_when=asyncio.FIRST_COMPLETED)
        if self.served.done():
            waiting.cancel()
            self.served.result()  # why it couldn't start
        self.lasting = asyncio.all_tasks()

    def teardown(self) -> None:
        async def end() -> None:
            self.over.set()
            await self.served

        self.runner.run(end())
        self.runner.close()
        forget(Path(self.folder.name))
        self.folder.cleanup()
        logging.disable(logging.NOTSET)

    def play(self, *work: Awaitable[object]) -> None:
        async def playing() -> None:
            await asyncio.gather(*work)
            # Between the steps the loop stands still: a refresh in a thread would find none.
            while under_way := asyncio.all_tasks() - self.lasting - {asyncio.current_task()}:
                await asyncio.wait(under_way)

        self.counts["steps"] += 1
        self.runner.run(playing())

    async def _read(self, kind: str, name: str) -> None:
        floor = self.floors[kind, name]
        answer = await self.running.get(f"/{kind}/{name}")
        assert answer.status_code == 200, answer.text
        version = answer.json()["version"]
        assert version >= floor, f"/{kind}/{name} is {version}, and {floor} was told before: {answer.headers}"
        self.counts["reads"] += 1
        self.counts[answer.headers["x-nextjs-cache"].lower()] += 1

    async def _change(self, name: str, how: str, *, fails: bool) -> None:
        answer = await self.running.client.post(f"/change?name={name}&how={how}&fails={fails}")
        version = answer.json()
        for kind in VALUES:
            if how in AT_ONCE or (how in BY_PATH and kind in FOLLOW_THE_PATH):
                self.floors[kind, name] = max(self.floors[kind, name], version)
        self.counts["changes"] += 1

    kinds, names = st.sampled_from(sorted(VALUES)), st.sampled_from(NAMES)
    hows = st.sampled_from(["tag", "tag", "window", "path", "pattern", "soft", "nothing"])

    @rule(kind=kinds, name=names)
    def read(self, kind: str, name: str) -> None:
        self.play(self._read(kind, name))

    @rule(name=names, how=hows, fails=st.sampled_from([False, False, True]))
    def change(self, name: str, how: str, *, fails: bool) -> None:
        self.play(self._change(name, how, fails=fails))

    @rule(reads=st.lists(st.tuples(kinds, names), min_size=2, max_size=4))
    def read_at_once(self, reads: list[tuple[str, str]]) -> None:
        self.play(*(self._read(kind, name) for kind, name in reads))

    @rule(reads=st.lists(st.tuples(kinds, names), min_size=1, max_size=3), name=names, how=hows)
    def change_while_others_read(self, reads: list[tuple[str, str]], name: str, how: str) -> None:
        self.play(*(self._read(*each) for each in reads), self._change(name, how, fails=False))
        self.play(*(self._read(*each) for each in reads))

    @rule(seconds=st.sampled_from([1.0, 25.0, 60.0, 10_000.0]))
    def time_passes(self, seconds: float) -> None:
        self.counts["steps"] += 1
        self.project.clock.move(seconds)


class ComposedInVersion16(ComposedHistories):
    config: ClassVar[dict[str, Any]] = {"compat": "16"}


def run_histories(machine: type[ComposedHistories], examples: int, steps: int) -> None:
    """Random histories.

    Raises:
        AssertionError: somebody has read what had been ended.
    """
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def long_history(steps: int, seed: int) -> tuple[Counter[str], list[str]]:
    """What was done in that many steps, and what was wrong."""
    counts, wrong = Counter[str](), list[str]()
    round_ = 0
    while counts["steps"] < steps and not wrong:
        for base in (ComposedHistories, ComposedInVersion16):
            machine: Any = reproduce(seed * 1_000_000 + round_)(type("Composed", (base,), {"counts": counts}))
            try:
                run_histories(machine, examples=10, steps=LONG)
            except AssertionError as error:
                wrong.append(str(error))
        round_ += 1
    return counts, wrong
