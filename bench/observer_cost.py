"""What observing costs a build: the processor's time for the same pages with and without it, as a ratio in one run.

Run: python bench/observer_cost.py [pages] [rounds]. It asserts nothing. With 1000 pages it takes about a minute on a
quiet machine; the least of the rounds counts, since other processes only ever add to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import millpond.app.builder
from millpond import Millpond
from millpond.prerender.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from millpond.render.target import Target

PAGES, ROUNDS = 1000, 7

LISTED = """
def generate_static_params():
    return [{{"id": str(number)}} for number in range({pages})]
"""
ASYNC = LISTED + "\nasync def GET(id: str):\n    return {{'id': id}}\n"
SYNC = LISTED + "\ndef GET(id: str):\n    return {{'id': id}}\n"
USES = LISTED + (
    "\nimport os, time\n"
    "async def GET(id: str):\n    return [id, time.time(), os.environ.get('HOME'), *(abs(n) for n in range(100))]\n"
)
QUERY = LISTED + (
    "\nimport sqlalchemy as sa\n"
    "engine = sa.create_engine(f'sqlite:///{{__file__}}.db', poolclass=sa.pool.QueuePool,"
    " connect_args={{'check_same_thread': False}})\n"
    "def GET(id: str):\n"
    "    with engine.connect() as connection:\n"
    "        return [list(row) for row in connection.execute(sa.text('SELECT :id'), {{'id': id}})]\n"
)
HANDLERS = {
    "async, trivial": ASYNC,
    "sync, trivial": SYNC,
    "async, with a clock, a variable and a loop": USES,
    "sync, with a query by SQLAlchemy": QUERY,
}


class Blind(Watch):
    """Sees nothing."""

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        yield

    def render(self, target: Target) -> AbstractContextManager[None]:
        del target
        return contextlib.nullcontext()


async def seconds(pond: Millpond, watch: type[Watch]) -> float:
    """Of the processor, for one build."""
    millpond.app.builder.Watch = watch  # type: ignore[attr-defined]
    began = time.process_time()
    built = await pond.build()
    assert not built.failures, built.failures  # noqa: S101 - a bench of failures would say nothing
    return time.process_time() - began


async def measured(source: str, pages: int, rounds: int) -> tuple[float, float]:
    """The least seconds for a build, blind and observing."""
    with tempfile.TemporaryDirectory() as folder:
        route = Path(folder) / "app" / "[id]" / "route.py"
        route.parent.mkdir(parents=True)
        route.write_text(f"revalidate = 60\n{source.format(pages=pages)}", "utf-8")
        pond = Millpond(Path(folder) / "app")
        await seconds(pond, Blind)
        found = [(await seconds(pond, Blind), await seconds(pond, Watch)) for _ in range(rounds)]
    return min(blind for blind, _ in found), min(observing for _, observing in found)


def main() -> None:
    given = [int(number) for number in sys.argv[1:]]
    pages, rounds = [*given, *(PAGES, ROUNDS)[len(given) :]]
    print(f"Python {sys.version.split()[0]}, {pages} pages, the least of {rounds} rounds")  # noqa: T201
    for name, source in HANDLERS.items():
        blind, observing = asyncio.run(measured(source, pages, rounds))
        each = 1e6 / pages
        print(  # noqa: T201
            f"{name:<44} {blind * each:6.0f} µs a page, observed {observing * each:6.0f} µs: {observing / blind:.2f}"
        )


if __name__ == "__main__":
    main()
