"""Which entry a full store evicts: S3-FIFO, which resists scans.

New entries are on probation. One that nobody reads before its turn comes is evicted, and remembered by its key alone;
one that was read moves to the main queue, and so does one that returns while it is remembered. The main queue gives
each entry one more round for each time that it was read, at most three. So paths that are asked for once, as by a
crawler, replace each other, and not what others read. A read changes a number, never the order.

Source: Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023. `bench/eviction.py` compares it with
LRU.
"""

from __future__ import annotations

from enum import IntEnum

MAX_READS = 3
"""Reads beyond this number don't count."""


class Queue(IntEnum):
    """Where an entry waits for its turn; each is a FIFO queue."""

    PROBATION = 0
    MAIN = 1


def probation_bytes(max_bytes: int) -> int:
    """The bytes that the probation queue may hold before its entries are evicted first: a tenth of the limit."""
    return max_bytes // 10


def takes_from(probation: int, main: int, max_bytes: int) -> Queue:
    """The queue whose oldest entry has its turn.

    Args:
        probation: the bytes in the probation queue.
        main: the bytes in the main queue.
        max_bytes: the limit for both.
    """
    return Queue.PROBATION if probation > probation_bytes(max_bytes) or not main else Queue.MAIN


def reads_after_turn(queue: Queue, reads: int) -> int | None:
    """The reads that an entry still has after its turn, with which it joins the end of the main queue; None: evict it.

    Args:
        queue: where it is.
        reads: how often it was read since it joined; at most `MAX_READS`.
    """
    if not reads:
        return None
    return 0 if queue is Queue.PROBATION else reads - 1
