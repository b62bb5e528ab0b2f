"""Hit ratios of S3-FIFO and LRU on generated traces: `python bench/eviction.py`."""

from __future__ import annotations

import argparse
import random
import sys
from bisect import bisect
from collections import OrderedDict
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

from millpond.stores.eviction_queues import EvictionQueues

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = 20_000
LARGE_BYTES = 1_500_000


class Cache(Protocol):
    def ask(self, key: int, size: int) -> bool:
        """Whether it is there; if not, it is stored."""
        ...


class Lru:
    """Evicts what was asked for least recently."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._sizes: OrderedDict[int, int] = OrderedDict()

    def ask(self, key: int, size: int) -> bool:
        if key in self._sizes:
            self._sizes.move_to_end(key)
            return True
        self._sizes[key] = size
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._bytes -= self._sizes.popitem(last=False)[1]
        return False


class S3Fifo:
    """What Millpond's stores do."""

    def __init__(self, max_bytes: int) -> None:
        self._queues = EvictionQueues(max_bytes)
        self._there: set[str] = set()

    def ask(self, key: int, size: int) -> bool:
        name = str(key)
        if name in self._there:
            self._queues.note_read(name)
            return True
        self._queues.put(name, size)
        self._there.add(name)
        self._there.difference_update(self._queues.evict(spared=name))
        return False


def traces(rng: random.Random, length: int) -> Iterator[tuple[str, list[int]]]:
    """Named sequences of keys. Keys from 10^6 on are part of a scan or a loop, negative ones are large."""
    yield "zipf 0.9", list(zipf(rng, 0.9, length))
    yield "zipf 1.1", list(zipf(rng, 1.1, length))
    popular = list(zipf(rng, 1.0, length))
    scans, scanned = [], 10**6
    for number, key in enumerate(popular):
        scans.append(key)
        if number % (length // 5) == length // 10:
            scans += range(scanned, scanned + KEYS)
            scanned += KEYS
    yield "zipf and scans", scans
    yield "a loop over 4,000", [10**6 + number % 4000 for number in range(length)]
    yield (
        "zipf and a loop",
        [10**6 + number // 3 % 6000 if number % 3 == 0 else key for number, key in enumerate(popular)],
    )
    yield (
        "zipf, popular keys change",
        [(key + 3000 * (number * 10 // length)) % KEYS if key < 3000 else key for number, key in enumerate(popular)],
    )
    yield (
        "zipf, some large once",
        [-number if number % (length // 20) == 7 else key for number, key in enumerate(popular)],
    )


def zipf(rng: random.Random, exponent: float, length: int) -> Iterator[int]:
    sums = list(accumulate(1 / (rank + 1) ** exponent for rank in range(KEYS)))
    for _ in range(length):
        yield bisect(sums, rng.random() * sums[-1])


def size_of(key: int) -> int:
    return LARGE_BYTES if key < 0 else 500 + key * 7919 % 3000


def ratio(cache: Cache, trace: list[int]) -> float:
    return sum(cache.ask(key, size_of(key)) for key in trace) / len(trace)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=200_000, help="requests of a trace")
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    _say(f"{'trace':<28}{'bytes':>12}{'LRU':>8}{'S3-FIFO':>9}")
    rng = random.Random(chosen.seed)  # noqa: S311 - traces that can be repeated
    for name, trace in traces(rng, chosen.length):
        for max_bytes in (1_000_000, 4_000_000):
            lru, fifo = ratio(Lru(max_bytes), trace), ratio(S3Fifo(max_bytes), trace)
            _say(f"{name:<28}{max_bytes:>12,}{lru:>8.3f}{fifo:>9.3f}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
