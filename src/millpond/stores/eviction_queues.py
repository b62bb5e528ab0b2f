"""The order in which a store in memory evicts; see `policy/eviction.py`."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from millpond.policy.eviction import MAX_READS, Queue, reads_after_turn, takes_from

if TYPE_CHECKING:
    from collections.abc import Iterator


class EvictionQueues:
    """Keys with their sizes in the two queues of S3-FIFO, and the keys that were evicted lately.

    Args:
        max_bytes: the limit for the sum of the sizes.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._queues: dict[Queue, OrderedDict[str, int]] = {queue: OrderedDict() for queue in Queue}
        self._bytes = dict.fromkeys(Queue, 0)
        self._reads: dict[str, int] = {}
        self._ever_read: set[str] = set()
        self._evicted: OrderedDict[str, None] = OrderedDict()

    @property
    def bytes(self) -> int:
        """The sum of the sizes."""
        return sum(self._bytes.values())

    def put(self, key: str, size: int) -> None:
        """Add a key, or give it another size; it then keeps its place."""
        queue = self._queue_of(key)
        if queue is None:
            queue = Queue.PROBATION
            if key in self._evicted:
                del self._evicted[key]
                queue = Queue.MAIN
            self._reads[key] = 0
        self._bytes[queue] += size - self._queues[queue].get(key, 0)
        self._queues[queue][key] = size

    def note_read(self, key: str) -> None:
        """Count a read, if the key is there."""
        reads = self._reads.get(key)
        if reads is not None and reads < MAX_READS:
            self._reads[key] = reads + 1
            self._ever_read.add(key)

    def reads(self) -> dict[str, int]:
        """How often each key was read since it joined its queue; at most `MAX_READS`."""
        return dict(self._reads)

    def remove(self, key: str) -> None:
        """Remove a key, if it is there."""
        queue = self._queue_of(key)
        if queue is not None:
            self._bytes[queue] -= self._queues[queue].pop(key)
            self._forget_reads(key)

    def evict(self, spared: str | None = None) -> Iterator[tuple[str, bool]]:
        """Remove keys until the rest is within the limit, and yield each, with whether it was ever read.

        `spared` isn't removed.
        """
        while self.bytes > self._max_bytes:
            queue = takes_from(self._bytes[Queue.PROBATION], self._bytes[Queue.MAIN], self._max_bytes)
            found = self._first(queue, spared) or self._first(Queue(1 - queue), spared)
            if found is None:
                return
            key = found[1]
            was_read = key in self._ever_read
            if self._is_evicted(*found):
                yield key, was_read

    def _forget_reads(self, key: str) -> None:
        del self._reads[key]
        self._ever_read.discard(key)

    def _queue_of(self, key: str) -> Queue | None:
        return next((queue for queue in Queue if key in self._queues[queue]), None)

    def _first(self, queue: Queue, spared: str | None) -> tuple[Queue, str] | None:
        return next(((queue, key) for key in self._queues[queue] if key != spared), None)

    def _is_evicted(self, queue: Queue, key: str) -> bool:
        """Give a key its turn; whether it was evicted."""
        left = reads_after_turn(queue, self._reads[key])
        size = self._queues[queue].pop(key)
        self._bytes[queue] -= size
        if left is not None:
            self._queues[Queue.MAIN][key] = size
            self._bytes[Queue.MAIN] += size
            self._reads[key] = left
            return False
        self._forget_reads(key)
        if queue is Queue.PROBATION:
            self._evicted[key] = None
            while len(self._evicted) > len(self._reads):
                self._evicted.popitem(last=False)
        return True
