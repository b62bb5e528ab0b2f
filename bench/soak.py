"""The long forms of tests: `make soak`. About an hour with the defaults.

Loopback only, but for `ported`, which installs a package from its index.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / name) for name in ("reliability", "serve", "stores", "")]

import composed_histories  # noqa: E402
import endurance  # noqa: E402
import killed_ponds  # noqa: E402
import shared_soak  # noqa: E402
from history import record_history  # noqa: E402
from hostile import Target, misunderstanding  # noqa: E402
from hostile import hostile as hostile_bytes  # noqa: E402
from ported_bioregistry import bioregistry  # noqa: E402
from raw_requests import script  # noqa: E402
from served_pond import millpond, served, write_project  # noqa: E402
from stampede import stampede  # noqa: E402
from store_trouble import record_troubled_history  # noqa: E402
from three_ways import three_ways  # noqa: E402

from ponds import Project  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

WORKERS = 4

Outcome: TypeAlias = tuple[str, list[str]]
"""Figures, and the promises that were broken."""


def main() -> int:
    """Run each part that wasn't turned off (0); the exit code is 1 when a promise was broken."""
    chosen = _arguments()
    _allow_open_files(8192)
    parts: list[tuple[str, float, Callable[[Path], Outcome]]] = [
        ("tests", chosen.tests, lambda folder: long_forms()),
        ("history", chosen.operations, lambda folder: history(folder, chosen.operations, chosen.seed)),
        ("troubled", chosen.troubled, lambda folder: troubled(folder, chosen.troubled, chosen.seed)),
        ("composed", chosen.composed, lambda folder: composed(chosen.composed, chosen.seed)),
        ("hosts", chosen.operations, lambda folder: hosts(chosen.operations, chosen.seed, faults=False)),
        ("faults", chosen.operations, lambda folder: hosts(chosen.operations, chosen.seed, faults=True)),
        ("cut", chosen.cut, lambda folder: cut_off(chosen.cut)),
        ("stampede", chosen.stampedes, lambda folder: stampedes(folder, chosen.requests, chosen.stampedes)),
        ("kills", chosen.kills, lambda folder: kills(folder, chosen.kills, chosen.seed)),
        ("ways", chosen.ways, lambda folder: ways(folder, chosen.ways, chosen.seed)),
        ("hostile", chosen.hostile, lambda folder: hostile(folder, chosen.hostile, chosen.seed)),
        ("ported", chosen.ported, bioregistry),
        ("endurance", chosen.minutes, lambda folder: enduring(folder, chosen.minutes * 60)),
    ]
    broken: list[str] = []
    for name, size, part in parts:
        if not size:
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "pond"
            figures, wrong = part(folder)
        _say(f"{name:<10} {time.monotonic() - began:6.0f} s  {figures}")
        broken += [f"{name}: {each}" for each in wrong]
    for each in broken[:20]:
        _say(f"BROKEN  {each}")
    _say(f"{len(broken)} promises broken")
    return 1 if broken else 0


def long_forms() -> Outcome:
    """Tests whose length `long_form.times` says."""
    files = sorted(str(path) for path in TESTS.rglob("test_*.py") if "long_form import" in path.read_text("utf-8"))
    done = subprocess.run(  # noqa: S603 - this interpreter, on files of ours
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        cwd=TESTS.parent,
        env={**os.environ, "LONG_FORMS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    *_, closing_line = done.stdout.splitlines() or [done.stderr]
    return f"{len(files)} files: {closing_line}", [] if done.returncode == 0 else [done.stdout[-4000:]]


def history(folder: Path, operations: int, seed: int) -> Outcome:
    with served(write_project(folder), WORKERS) as server:
        seen = asyncio.run(record_history(server, operations, seed))
    figures = f"{seen.reads} reads ({seen.hits} hits), {seen.invalidations} invalidations over {WORKERS} workers"
    return figures, seen.violations


def troubled(folder: Path, operations: int, seed: int) -> Outcome:
    """The same while workers and writers are stopped and killed, and the store is removed and replaced."""
    with served(write_project(folder), WORKERS) as server:
        seen, faults = asyncio.run(record_troubled_history(server, operations, seed))
    trouble = ", ".join(f"{number} times {name}" for name, number in sorted(faults.items()))
    figures = (
        f"{seen.reads} reads ({seen.hits} hits), {seen.invalidations} invalidations and {seen.refused} refused, "
        f"{seen.interrupted} connections cut over {WORKERS} workers: {trouble}"
    )
    return figures, seen.violations


def composed(steps: int, seed: int) -> Outcome:
    """Answers made of own paths, nested functions, errors, threads and executors, in one process."""
    counts, wrong = composed_histories.long_history(steps, seed)
    counted = ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
    return f"{counted} in versions 14 and 16", wrong


def hosts(operations: int, seed: int, *, faults: bool) -> Outcome:
    seen = shared_soak.history(operations, seed, faults=faults)
    counted = ", ".join(f"{number} {name}" for name, number in sorted(seen.counts.items()))
    trouble = ", ".join(f"{number} {name}" for name, number in sorted(seen.faults.items())) or "no faults"
    figures = f"{shared_soak.HOSTS} hosts, {trouble}: {counted}; the slowest invalidation {seen.slowest:.2f} s"
    return figures, seen.violations


def cut_off(seconds: float) -> Outcome:
    return f"one of two hosts, for {seconds:g} s", shared_soak.cut_for_long(seconds)


def stampedes(folder: Path, requests: int, rounds: int) -> Outcome:
    wrong: list[str] = []
    with served(write_project(folder), WORKERS) as server:
        for number in range(rounds):
            if number:
                millpond(folder, "revalidate", "--path", "/slow/hot")
            outcome = asyncio.run(stampede(server, "hot", requests))
            if (outcome.renders, outcome.statuses) != (1, Counter({200: requests})):
                wrong.append(str(outcome))
    return f"{rounds} times {requests} requests at once over {WORKERS} workers", wrong


def kills(folder: Path, number: int, seed: int) -> Outcome:
    write_project(folder, {"lease_seconds": killed_ponds.LEASE_SECONDS})
    millpond(folder, "build")
    done = subprocess.run(  # noqa: S603 - this interpreter, on a file of ours
        [sys.executable, killed_ponds.__file__, str(folder), str(number), str(seed)],
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(done.stdout)
    figures = (
        f"{found['kills']} kills, {found['invalidations']} invalidations, {found['reads']} reads, "
        f"the slowest {found['slowest']:.2f} s with leases of {killed_ponds.LEASE_SECONDS} s"
    )
    return figures, found["wrong"]


def ways(folder: Path, requests: int, seed: int) -> Outcome:
    """Whatever comes in, hits at the socket, hits through ASGI and the long way answer the same bytes."""
    logging.getLogger("uvicorn.error").disabled = True  # it says so of each broken request
    folder.mkdir()

    async def run() -> Outcome:
        said, number = 0, seed * 1_000_000_000
        async with three_ways(Project(folder)) as compared:
            while said < requests and not compared.differences:
                each = script(number)
                await compared.follow(each)
                said, number = said + each.requests, number + 1
        return f"{said} requests, generated, broken and cut, in three ways", compared.differences

    return asyncio.run(run())


def hostile(folder: Path, requests: int, seed: int) -> Outcome:
    """Whatever comes in, no request is understood as another."""
    folder.mkdir()

    async def run() -> Outcome:
        wrong: list[str] = []
        said, number = 0, seed * 1_000_000_000
        async with three_ways(Project(folder)) as ways:
            target = Target(ways.pond)
            async with target.listening():
                while said < requests and len(wrong) < 20:
                    pieces, contained = hostile_bytes(number)
                    difference = misunderstanding(pieces, await target.hear(pieces))
                    if difference:
                        wrong.append(f"{number}: {pieces!r}\n  {difference}")
                    said, number = said + contained, number + 1
        return f"{said} mutated requests, over sockets, compared with h11", wrong

    return asyncio.run(run())


def enduring(folder: Path, seconds: float) -> Outcome:
    with served(write_project(folder, {"max_bytes": endurance.MAX_BYTES}), WORKERS) as server:
        pids = sorted(asyncio.run(server.workers(WORKERS)))
        run = endurance.Endurance(server, seconds, pids)
        asyncio.run(run.run())
    run.judge_growth()
    first, last = run.samples[len(run.samples) // 4], run.samples[-1]
    figures = (
        f"{run.requests} requests; entries {last.entries} with {last.stored_bytes:,} of {endurance.MAX_BYTES:,} bytes; "
        f"file {first.file_bytes:,} -> {last.file_bytes:,}; "
        f"memory of all workers {sum(first.memory):,} -> {sum(last.memory):,}"
    )
    return figures, run.wrong


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=int, default=1, help="0: no long forms of tests that the test run has short")
    parser.add_argument("--operations", type=int, default=100_000, help="of each history")
    parser.add_argument("--troubled", type=int, default=100_000, help="operations while the store is in trouble")
    parser.add_argument("--composed", type=int, default=100_000, help="steps with composed answers")
    parser.add_argument("--cut", type=float, default=30.0, help="seconds that a host is cut off from a shared store")
    parser.add_argument("--requests", type=int, default=1000, help="at once, of a stampede")
    parser.add_argument("--stampedes", type=int, default=10)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--ways", type=int, default=1_000_000, help="generated requests, compared in three ways")
    parser.add_argument("--hostile", type=int, default=100_000, help="mutated requests, compared with another parser")
    parser.add_argument("--ported", type=int, default=1, help="0: no public service is installed and ported")
    parser.add_argument("--minutes", type=float, default=10.0, help="of endurance")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _allow_open_files(number: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
