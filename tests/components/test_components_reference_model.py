"""Random handlers are classified as a reference model says, which knows nothing of loops and profilers."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from long_form import times
from millpond.routes.imports import forget
from ponds import Project

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from millpond.prerender.build_manifest import RouteRecord

PRELUDE = """
import asyncio, random, sqlite3, time
import httpx2
from starlette.concurrency import run_in_threadpool
from millpond import cache_life, cached, connection, cookies, fetch
client = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, text="up")))
class Closing(sqlite3.Connection):
    def __del__(self): self.close()
database = sqlite3.connect(":memory:", check_same_thread=False, factory=Closing)
@cached
async def keep(number):
    await asyncio.sleep(0.001)
    return time.time()
@cached
def keep_sync(number):
    cache_life(revalidate=60, expire=3600)
    return random.random()
@cached(life="seconds")
async def brief(number):
    return number
def compute(): return sum(range(1000))
def compute_long(): return sum(range(300_000))
async def rest(): await asyncio.sleep(0)
"""


@dataclass(frozen=True)
class Step:
    """One line of a handler."""

    code: str
    ends: bool = False
    revalidate: int | None = None
    """Seconds that it allows the answer to live."""


@dataclass(frozen=True)
class Block:
    """Steps that a coroutine takes; several of them side by side, or one by itself."""

    branches: tuple[Body, ...]
    how: str


@dataclass(frozen=True)
class Swallowed:
    """A step with a bare except around it."""

    step: Step


if TYPE_CHECKING:
    Body = Sequence[Step | Block | Swallowed]
    Way = tuple[int, ...]
    """To a step: its number in the handler; then of a branch, of a step in it, and so on."""

HARMLESS = [
    Step("pass"),
    Step("await asyncio.sleep(0)"),
    Step("await rest()"),
    Step("await keep(1)", revalidate=900),
    Step("keep_sync(2)", revalidate=60),
    Step('await fetch("http://a/1", client=client, cache="force-cache")'),
    Step('await fetch("http://a/2", client=client, revalidate=70)', revalidate=70),
    Step("await run_in_threadpool(compute)"),
    Step("await run_in_threadpool(compute_long)"),
    Step("time.monotonic(), random.Random(3).random()"),
]
ENDING = [
    Step("await asyncio.sleep(0.001)", ends=True),
    Step("await asyncio.sleep(1e-9)", ends=True),
    Step("await brief(1)", ends=True),
    Step("cookies()", ends=True),
    Step("await connection()", ends=True),
    Step("time.time()", ends=True),
    Step("random.random()", ends=True),
    Step('database.execute("select 1")', ends=True),
    Step('await fetch("http://a/3", client=client)', ends=True),
    Step("await asyncio.to_thread(compute)", ends=True),
]
HOWS = {
    "gather": "await asyncio.gather({})",
    "wait": "await asyncio.wait([asyncio.create_task(one) for one in ({},)])",
    "group": "await in_a_group({})",
}
IN_A_GROUP = """
async def in_a_group(*coroutines):
    async with asyncio.TaskGroup() as group:
        for one in coroutines:
            group.create_task(one)
"""

leaves = st.sampled_from(HARMLESS * 2 + ENDING)
steps = st.recursive(
    leaves | st.builds(Swallowed, leaves),
    lambda inner: st.builds(
        Block,
        st.lists(st.lists(inner, min_size=1, max_size=3).map(tuple), min_size=1, max_size=3).map(tuple),
        st.sampled_from(sorted(HOWS)),
    ),
    max_leaves=8,
)
handlers = st.lists(steps, min_size=1, max_size=4)


class Source:
    """A route file, and the lines at which its steps are."""

    def __init__(self, handler: Body) -> None:
        self.lines = [*PRELUDE.splitlines(), *IN_A_GROUP.splitlines()]
        self.first = len(self.lines)
        self.line_of: dict[Way, int] = {}
        self._write("async def GET():", handler, ())

    def _write(self, head: str, body: Body, way: Way) -> None:
        calls = [self._called(step, (*way, number)) for number, step in enumerate(body)]
        self.lines.append(head)
        for number, (step, call) in enumerate(zip(body, calls, strict=True)):
            if isinstance(step, Swallowed):
                self.lines += ["    try:", f"        {call}", "    except: pass"]
            else:
                self.lines.append(f"    {call}")
            self.line_of[*way, number] = len(self.lines) - isinstance(step, Swallowed)
        self.lines.append("    return 1")

    def _called(self, step: Step | Block | Swallowed, way: Way) -> str:
        if isinstance(step, Step):
            return step.code
        if isinstance(step, Swallowed):
            return step.step.code
        names = []
        for number, branch in enumerate(step.branches):
            names.append(name := "_".join(map(str, ("branch", *way, number))))
            self._write(f"async def {name}():", branch, (*way, number))
        return HOWS[step.how].format(", ".join(f"{name}()" for name in names))


def ends_of(body: Body, way: Way = ()) -> list[Way]:
    """Where a prerender may stop: at the first step of a sequence that ends it; of each branch there is one."""
    for number, step in enumerate(body):
        here = (*way, number)
        if isinstance(step, Block):
            found = [end for n, branch in enumerate(step.branches) for end in ends_of(branch, (*here, n))]
        else:
            found = [here] if (step.step if isinstance(step, Swallowed) else step).ends else []
        if found:
            return found
    return []


def all_steps(body: Body) -> Iterator[Step]:
    for step in body:
        if isinstance(step, Block):
            for branch in step.branches:
                yield from all_steps(branch)
        else:
            yield step.step if isinstance(step, Swallowed) else step


def records_of(sources: list[Source]) -> list[RouteRecord]:
    path = list(sys.path)
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder).resolve(), config={"cache_components": True})
        try:
            project.routes({f"/{number}": "\n".join(source.lines) for number, source in enumerate(sources)})
            records = asyncio.run(project.built())
        finally:
            forget(project.folder)
            sys.path[:] = path
    return [records[f"/{number}"] for number in range(len(sources))]


@settings(max_examples=times(12, 200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(handlers, min_size=1, max_size=4))
def test_a_handler_is_live_exactly_when_it_reaches_a_step_that_ends_a_prerender(
    routes: list[list[Step | Block | Swallowed]],
) -> None:
    sources = [Source(handler) for handler in routes]
    for source in sources:
        note("\n".join(source.lines[source.first :]))
    for handler, source, record in zip(routes, sources, records_of(sources), strict=True):
        ends = ends_of(handler)
        note(f"{record.glyph} {record.why} {record.place}")
        assert record.glyph == ("λ" if ends else "○")
        if ends:
            assert record.place is not None
            assert record.place[1] in {source.line_of[end] for end in ends}
        else:
            limits = [step.revalidate for step in all_steps(handler) if step.revalidate is not None]
            assert record.revalidate == (min(limits) if limits else None)
