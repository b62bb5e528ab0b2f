"""Freshness and validity: two questions about one entry (R4.4 to R4.9; docs/design.md)."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from millpond.policy.decision import Reason
from millpond.policy.entry import Backoff
from millpond.policy.tags import Cleanliness, TagRow, judge_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from millpond.policy.entry import Entry

Clock: TypeAlias = "Callable[[], float]"
"""Seconds since the epoch. Policy takes `now`; everything else takes a clock."""

CLOCK_TOLERANCE = 5.0
"""Seconds by which an entry may come from the future. Beyond, clocks disagree and its age says nothing: it is stale."""

SHORTEST_BACKOFF, LONGEST_BACKOFF = 3.0, 30.0
"""Seconds between two tries of a failing refresh (R4.26)."""


class Judgement(NamedTuple):
    """What may be done with an entry at one moment."""

    servable: bool
    """It may be sent."""
    fresh: bool
    """And need not be made again."""
    reason: Reason
    tag: str | None = None
    """The tag that decided."""
    ttl: int | None = None
    """Whole seconds of freshness that are left; negative for what isn't fresh (RFC 9211, section 2.4). None: it never
    goes stale by age, or nobody knows."""


class Reader(NamedTuple):
    """What one reader asks of an entry besides: fetched data and results of functions have readers with limits."""

    revalidate: float | None = None
    """The reader's own limit in seconds, in place of the stored one (R5.13); None: none of its own."""
    tags: tuple[str, ...] = ()
    """Tags of the reader: an invalidation of any of them concerns it (R6.4)."""
    own_invalidations: Mapping[str, int] = MappingProxyType({})
    """Tag -> generation, of what the reader itself has invalidated: it reads its own writes (R6.19; D26)."""
    waits: bool = False
    """The reader will itself be stored: it waits for fresh data instead of taking stale (R4.21)."""


ANY_READER = Reader()


def age_of(entry: Entry, now: float) -> float:
    """Seconds since the render; never negative, though clocks step back and machines disagree."""
    return max(0.0, now - entry.rendered_at)


def judge(
    entry: Entry,
    now: float,
    row_of: Callable[[str], TagRow | None],
    build: str,
    *,
    is_synced: bool = True,
    reader: Reader = ANY_READER,
) -> Judgement:
    """What may be done with an entry at `now`.

    Validity (build, expired tags, past `expire`) comes first: what is invalid is never served. Then freshness
    (stale tags, age), which a running back-off suspends (R4.26).

    Args:
        entry: what is judged.
        now: seconds since the epoch.
        row_of: what is known of a tag.
        build: that is served.
        is_synced: whether all invalidations are known; nothing is fresh otherwise.
        reader: for whom.
    """
    revalidate = entry.revalidate if reader.revalidate is None else reader.revalidate
    tags = entry.tags + reader.tags if reader.tags else entry.tags
    age = age_of(entry, now)
    left = None if revalidate is None else math.floor(revalidate - age)
    stale = -1 if left is None else min(left, -1)
    if entry.build != build:
        return Judgement(False, False, Reason.OTHER_BUILD, None, stale)
    if entry.expire is not None and age > entry.expire:
        return Judgement(False, False, Reason.EXPIRED, None, stale)
    written = _invalidated_by(reader, entry, tags)
    if written is not None:
        return Judgement(False, False, Reason.TAG, written, stale)
    verdict = judge_tags(tags, entry.generation, row_of, now)
    if verdict.cleanliness is Cleanliness.EXPIRED:
        return Judgement(False, False, Reason.TAG, verdict.tag, stale)
    if not is_synced:
        return Judgement(True, False, Reason.STORE_UNREACHABLE)
    pause = 0.0 if reader.waits else _backoff_left(entry, now, row_of, tags)
    if pause > 0:
        return Judgement(True, True, Reason.REFRESH_FAILED, verdict.tag, math.floor(pause))
    if verdict.cleanliness is Cleanliness.STALE:
        return Judgement(True, False, Reason.TAG, verdict.tag, stale)
    if revalidate is not None and (age > revalidate or entry.rendered_at - now > CLOCK_TOLERANCE):
        return Judgement(True, False, Reason.AGE, None, stale)
    return Judgement(True, True, Reason.FRESH, None, left)


def _invalidated_by(reader: Reader, entry: Entry, tags: tuple[str, ...]) -> str | None:
    for tag, generation in reader.own_invalidations.items():
        if generation > entry.generation and tag in tags:
            return tag
    return None


def oldest_fresh(entry: Entry) -> float:
    """Up to which age, in seconds, an entry stays fresh that `judge` has found fresh, if no tag is invalidated.

    Of a back-off nothing is known here: an entry with one is to be judged each time.
    """
    return min((limit for limit in entry.lifetime if limit is not None), default=math.inf)


def _backoff_left(entry: Entry, now: float, row_of: Callable[[str], TagRow | None], tags: tuple[str, ...]) -> float:
    """Seconds until the next try of a refresh that has failed; an invalidation since then ends the back-off."""
    backoff = entry.backoff
    if backoff is None or not 0 <= now - backoff.since < backoff.seconds:
        return 0
    if any(row is not None and row.generation > backoff.generation for row in map(row_of, tags)):
        return 0
    return backoff.seconds - (now - backoff.since)


def backoff_after_failure(entry: Entry, now: float, generation: int) -> Backoff:
    """How long a failed refresh waits before the next try: the entry's own interval, within 3 to 30 s (R4.26)."""
    interval = SHORTEST_BACKOFF if entry.revalidate is None else entry.revalidate
    return Backoff(now, min(max(interval, SHORTEST_BACKOFF), LONGEST_BACKOFF), generation)
