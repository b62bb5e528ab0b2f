"""Rolling deploys under load: of two workers over the embedded store, and of two hosts over a shared one.

Every second deploy changes a route. It counts how requests were answered meanwhile, and what went wrong: a connection
that broke, a status other than 200, a MISS on a route that no deploy has touched, an answer by the code of another
build. The exit code is 1 if anything did. A hundred deploys of both kinds take about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / "reliability"), str(TESTS)]

from rolling_deploys import Seen, deploys_of_hosts, deploys_of_workers  # noqa: E402


def main() -> int:
    """Deploy, and print what clients saw."""
    parser = argparse.ArgumentParser(description="Rolling deploys under load.")
    parser.add_argument("--deploys", type=int, default=100, help="of each kind")
    parser.add_argument("--workers", type=int, default=2, help="of one host, replaced by SIGHUP; 0 leaves it out")
    parser.add_argument("--hosts", type=int, default=2, help="with one shared store; 0 leaves it out")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        if chosen.workers:
            began = time.monotonic()
            seen = asyncio.run(deploys_of_workers(Path(scratch) / "pond", chosen.deploys, chosen.workers, chosen.seed))
            failed |= _report(f"{chosen.workers} workers", seen, time.monotonic() - began)
        if chosen.hosts:
            began = time.monotonic()
            seen = asyncio.run(deploys_of_hosts(Path(scratch), chosen.deploys, chosen.hosts, chosen.seed))
            failed |= _report(f"{chosen.hosts} hosts", seen, time.monotonic() - began)
    return 1 if failed else 0


def _report(what: str, seen: Seen, seconds: float) -> bool:
    """Print it; returns whether anything went wrong."""
    _say(
        f"{what}: {seen.deploys} deploys in {seconds:.0f} s, {seen.requests} answers, {len(seen.errors)} errors, "
        f"{seen.misses} MISS on untouched routes"
    )
    _say(seen.table())
    for error, count in Counter(seen.errors).most_common(20):
        _say(f"  {count} times {error}")
    return bool(seen.errors)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
