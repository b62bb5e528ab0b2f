"""Freshness and validity: two questions about one entry (R4.4 to R4.9; docs/design.md)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from millpond.policy.decision import Reason
from millpond.policy.entry import Backoff
from millpond.policy.tags import Cleanliness, TagRow, judge_tags

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.policy.entry import Entry

Clock: TypeAlias = "Callable[[], float]"
"""Seconds since the epoch. Policy takes `now`; everything else takes a clock."""

CLOCK_TOLERANCE = 5.0
"""Seconds by which an entry may come from the future. Beyond, clocks disagree and its age says nothing: it is stale."""

SHORTEST_BACKOFF, LONGEST_BACKOFF = 3.0, 30.0
"""Seconds between two tries of a failing refresh (R4.26)."""


class Judgement(NamedTuple):
    """`servable`: the entry may be sent. `fresh`: and need not be rendered again."""

    servable: bool
    fresh: bool
    reason: Reason
    tag: str | None = None


def age_of(entry: Entry, now: float) -> float:
    """Seconds since the render; never negative, though clocks step back and machines disagree."""
    return max(0.0, now - entry.rendered_at)


def judge(
    entry: Entry, now: float, row_of: Callable[[str], TagRow | None], build: str, *, is_synced: bool = True
) -> Judgement:
    """What may be done with an entry at `now`.

    Validity (build, expired tags, past `expire`) comes first: what is invalid is never served. Then freshness
    (stale tags, age), which a running pause suspends (R4.26).

    Args:
        entry: what is judged.
        now: seconds since the epoch.
        row_of: what is known of a tag.
        build: that is served.
        is_synced: whether all invalidations are known; nothing is fresh otherwise.
    """
    if entry.build != build:
        return Judgement(False, False, Reason.OTHER_BUILD)
    age = age_of(entry, now)
    if entry.expire is not None and age > entry.expire:
        return Judgement(False, False, Reason.EXPIRED)
    verdict = judge_tags(entry.tags, entry.generation, row_of, now)
    if verdict.cleanliness is Cleanliness.EXPIRED:
        return Judgement(False, False, Reason.TAG, verdict.tag)
    if not is_synced:
        return Judgement(True, False, Reason.STORE_UNREACHABLE)
    if _backs_off(entry, now, row_of):
        return Judgement(True, True, Reason.REFRESH_FAILED, verdict.tag)
    if verdict.cleanliness is Cleanliness.STALE:
        return Judgement(True, False, Reason.TAG, verdict.tag)
    if entry.revalidate is not None and (age > entry.revalidate or entry.rendered_at - now > CLOCK_TOLERANCE):
        return Judgement(True, False, Reason.AGE)
    return Judgement(True, True, Reason.FRESH)


def oldest_fresh(entry: Entry) -> float:
    """Up to which age, in seconds, an entry stays fresh that `judge` has found fresh, if no tag is invalidated.

    Of a pause nothing is known here: an entry with one is to be judged each time.
    """
    return min((limit for limit in entry.lifetime if limit is not None), default=math.inf)


def _backs_off(entry: Entry, now: float, row_of: Callable[[str], TagRow | None]) -> bool:
    backoff = entry.backoff
    if backoff is None or not 0 <= now - backoff.since < backoff.seconds:
        return False
    return all(row is None or row.generation <= backoff.generation for row in map(row_of, entry.tags))


def backoff_after_failure(entry: Entry, now: float, generation: int) -> Backoff:
    """How long a failed refresh waits before the next try: the entry's own interval, within 3 to 30 s (R4.26)."""
    interval = SHORTEST_BACKOFF if entry.revalidate is None else entry.revalidate
    return Backoff(now, min(max(interval, SHORTEST_BACKOFF), LONGEST_BACKOFF), generation)


def fresh_for(entry: Entry, now: float) -> float | None:
    """Seconds until the entry goes stale by age, negative once it has; None when it never does."""
    if entry.backoff is not None and 0 <= now - entry.backoff.since < entry.backoff.seconds:
        return entry.backoff.seconds - (now - entry.backoff.since)
    return None if entry.revalidate is None else entry.revalidate - age_of(entry, now)
