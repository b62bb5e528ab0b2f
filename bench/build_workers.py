"""What a second process saves a build: the same pages by one and by two, in one run, and whether both made the same.

Run: python bench/build_workers.py [pages] [rounds]. It asserts nothing. Two figures are printed: by the clock, which is
right on a machine that does nothing else; and by the processor's time of the process that has worked most, which is
what the clock would say there. A build starts no further process while others use the cores; this one does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import asdict, replace

from millpond.prerender.build_manifest import read_entries, read_manifest

PAGES, ROUNDS = 10_000, 3
ROUTE = """
revalidate = 60

def generate_static_params():
    return [{{"id": str(number)}} for number in range({pages})]

async def GET(id: str):
    number = int(id)
    for _ in range(20_000):
        number = (number * 1103515245 + 12345) % 2147483648
    return {{"id": id, "number": number}}
"""
_SAYS_TIMES = """
import resource, sys
from millpond.cli import run
from millpond.prerender.sharing import worthwhile
worthwhile._BUSY = 0.0
code = run(sys.argv[1:])
for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
    used = resource.getrusage(who)
    print(used.ru_utime + used.ru_stime, file=sys.stderr)
sys.exit(code)
"""
_OF_ONE_BUILD = ("build", "built_at", "environment")


class Built(NamedTuple):
    """One build."""

    seconds: float
    busiest: float
    """The processor's time of the process that used most, in seconds."""
    others: float
    """That of the further processes."""
    manifest: dict[str, Any]
    answers: list[Any]


def built(folder: Path, workers: int) -> Built:
    """A build by so many processes, at most."""
    began = time.perf_counter()
    arguments = ("build", "--dir", str(folder), "--workers", str(workers), "--json")
    done = subprocess.run(  # noqa: S603 - this file's own code
        [sys.executable, "-c", _SAYS_TIMES, *arguments], check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - began
    first, others = map(float, done.stderr.split()[-2:])
    manifest = read_manifest(folder)
    assert manifest is not None  # noqa: S101 - it has just been made
    told = {name: value for name, value in asdict(manifest).items() if name not in _OF_ONE_BUILD}
    told["routes"] = [
        replace(route, paths=[replace(path, seconds=0.0) for path in route.paths]) for route in manifest.routes
    ]
    answers = [replace(entry, rendered_at=0.0, build="") for entry in read_entries(folder, manifest)]
    return Built(seconds, max(first, others), others, told, answers)


def main() -> None:
    given = [int(number) for number in sys.argv[1:]]
    pages, rounds = [*given, *(PAGES, ROUNDS)[len(given) :]]
    print(f"Python {sys.version.split()[0]}, {pages} pages, load {os.getloadavg()[0]:.1f}")  # noqa: T201
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        route = folder / "app" / "[id]" / "route.py"
        route.parent.mkdir(parents=True)
        route.write_text(ROUTE.format(pages=pages), "utf-8")
        for _ in range(rounds):
            one, two = built(folder, 1), built(folder, 2)
            print(  # noqa: T201
                f"{one.seconds:.1f} s, by two {two.seconds:.1f} s: {one.seconds / two.seconds:.2f} times faster; "
                f"by the processor {one.busiest / two.busiest:.2f} ({one.busiest:.1f} s, {two.busiest:.1f} s and "
                f"{min(two.others, two.busiest):.1f} s); manifest {_same(one.manifest, two.manifest)}, "
                f"answers {_same(one.answers, two.answers)}"
            )


def _same(one: object, two: object) -> str:
    return "the same" if one == two else "DIFFERENT"


if __name__ == "__main__":
    main()
