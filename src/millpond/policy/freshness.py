"""Freshness and validity: two separate questions about an entry (R4.4 to R4.9; docs/design.md)."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from millpond.policy.decision import Reason
from millpond.policy.entry import Backoff
from millpond.policy.key import is_shared
from millpond.policy.lifetime import Lifetime
from millpond.policy.tags import Cleanliness, TagRow, host_tag, judge_tags, kept_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from millpond.policy.entry import Entry

Clock: TypeAlias = "Callable[[], float]"
"""Seconds since the epoch. Policy takes `now`; everything else takes a clock."""

CLOCK_TOLERANCE = 5.0
"""Seconds by which an entry may come from the future. Beyond that its age is unknown, and it is stale."""

SHORTEST_BACKOFF, LONGEST_BACKOFF = 3.0, 30.0
"""Seconds between two attempts of a failing refresh (R4.26)."""


class Judgement(NamedTuple):
    """What may be done with an entry at a given time."""

    servable: bool
    """The entry may be sent."""
    fresh: bool
    """The entry needs no refresh."""
    reason: Reason
    tag: str | None = None
    """The tag that decided."""
    ttl: int | None = None
    """Remaining freshness in whole seconds; negative if the entry isn't fresh (RFC 9211, section 2.4). None: it never
    goes stale by age, or the store can't be reached."""
    due: bool = False
    """It is fresh, and so near to its end that it is refreshed already, if it is asked for (`eager`)."""


class Reader(NamedTuple):
    """Additional limits of one reader, for fetched data and results of functions."""

    revalidate: float | None = None
    """The reader's own limit in seconds, in place of the stored one (R5.13); None: the stored one."""
    tags: tuple[str, ...] = ()
    """The reader's own tags: an invalidation of any of them counts, too (R6.4)."""
    own_invalidations: Mapping[str, int] = MappingProxyType({})
    """Tag -> generation of the reader's own invalidations, so that it reads its own writes (R6.19; D26)."""
    waits: bool = False
    """Whether the reader waits for fresh data rather than taking stale data, as it will be stored itself (R4.21)."""
    takes_paused: bool = False
    """Whether, though it waits, it takes stale data whose refresh has failed, until that is tried again: what is made
    of it then lives no longer than that."""
    host: str | None = None
    """The host that the reader answers for: invalidations of the entry's tags for that host alone count, too."""

    def tags_of(self, entry: Entry) -> tuple[str, ...]:
        """All tags by which an entry may be invalid to this reader."""
        tags = entry.tags + self.tags if self.tags else entry.tags
        if self.host is None:
            return tags
        return (*tags, *(kept_tag(host_tag(self.host, tag)) for tag in entry.tags))


ANY_READER = Reader()


def age_of(entry: Entry, now: float) -> float:
    """Seconds since the render; never negative, even if a clock was set back or the clocks of two machines differ."""
    return max(0.0, now - entry.rendered_at)


def judge(
    entry: Entry,
    now: float,
    row_of: Callable[[str], TagRow | None],
    build: str,
    *,
    is_synced: bool = True,
    reader: Reader = ANY_READER,
    eager: float = 0.0,
) -> Judgement:
    """What may be done with an entry at `now`.

    Validity (build, expired tags, past `expire`) comes first: an invalid entry is never served. Freshness (an earlier
    build, stale tags, age) comes second, and a running back-off suspends it (R4.26).

    An answer under a key that builds share comes from a build in which the route was the same. That of an earlier one
    is stale; that of a later one is as good as one's own, or two builds that are served at once would render it in
    turns.

    Args:
        entry: the entry.
        now: seconds since the epoch.
        row_of: returns the row of a tag, or None if there is none.
        build: the id of the build that is being served.
        is_synced: whether all invalidations are known; otherwise nothing is fresh.
        reader: the reader's own limits.
        eager: the last share of its lifetime in which a fresh entry is due.
    """
    revalidate = entry.stale_after if reader.revalidate is None else reader.revalidate * (1 - entry.jitter)
    tags = reader.tags_of(entry)
    age = age_of(entry, now)
    left = None if revalidate is None else math.floor(revalidate - age)
    stale = -1 if left is None else min(left, -1)
    is_own = entry.build == build
    if not is_own and not is_shared(entry.key):
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
    paused = _backoff_left(entry, now, row_of, tags)
    pause = 0.0 if reader.waits and not reader.takes_paused else paused
    # A refresh that began before the end, and failed, makes nothing of it: the entry is as fresh as it was.
    is_former = not is_own and is_earlier(entry.build, build)
    outlives = not is_former and verdict.cleanliness is Cleanliness.CLEAN and (revalidate is None or age < revalidate)
    if pause > 0 and not outlives:
        return Judgement(True, True, Reason.REFRESH_FAILED, verdict.tag, math.floor(pause))
    if is_former:
        return Judgement(True, False, Reason.FORMER_BUILD, verdict.tag, stale)
    if verdict.cleanliness is Cleanliness.STALE:
        return Judgement(True, False, Reason.TAG, verdict.tag, stale)
    if revalidate is not None and (age > revalidate or entry.rendered_at - now > CLOCK_TOLERANCE):
        return Judgement(True, False, Reason.AGE, None, stale)
    due = age >= due_after(revalidate, entry.expire, eager) and not paused
    return Judgement(True, True, Reason.FRESH, None, left, due)


def due_after(stale_after: float | None, expire: float | None, eager: float) -> float:
    """The age in seconds from which a fresh entry is due: the last share `eager` of its lifetime has begun.

    inf: never. Nothing is due that has no limit, or none but `expire`.
    """
    if not eager or not stale_after:
        return math.inf
    return (stale_after if expire is None else min(stale_after, expire)) * (1 - eager)


def is_earlier(build: str, than: str) -> bool:
    """Whether a build was made before another: their ids begin with the time of that, so they sort by it."""
    return build < than


def is_invalidated(
    entry: Entry, now: float, row_of: Callable[[str], TagRow | None], reader: Reader = ANY_READER
) -> bool:
    """Whether any of its tags, or of the reader's, was invalidated since, however old it is besides.

    Args:
        entry: the entry.
        now: seconds since the epoch.
        row_of: returns the row of a tag, or None if there is none.
        reader: the reader's own limits.
    """
    tags = reader.tags_of(entry)
    if _invalidated_by(reader, entry, tags) is not None:
        return True
    return judge_tags(tags, entry.generation, row_of, now).cleanliness is not Cleanliness.CLEAN


def _invalidated_by(reader: Reader, entry: Entry, tags: tuple[str, ...]) -> str | None:
    for tag, generation in reader.own_invalidations.items():
        if generation > entry.generation and tag in tags:
            return tag
    return None


def oldest_fresh(entry: Entry) -> float:
    """The age in seconds up to which an entry that `judge` found fresh stays fresh, if no tag is invalidated.

    It ignores back-offs: call `judge` each time for an entry that has one.
    """
    return min((limit for limit in (entry.stale_after, entry.expire) if limit is not None), default=math.inf)


def _backoff_left(entry: Entry, now: float, row_of: Callable[[str], TagRow | None], tags: tuple[str, ...]) -> float:
    """Seconds until a failed refresh is attempted again. An invalidation since the failure ends the back-off."""
    backoff = entry.backoff
    if backoff is None or not 0 <= now - backoff.since < backoff.seconds:
        return 0
    if any(row is not None and row.generation > backoff.generation for row in map(row_of, tags)):
        return 0
    return backoff.seconds - (now - backoff.since)


def lifetime_of_old(entry: Entry, now: float, seconds: float = 1) -> Lifetime:
    """The lifetime of what is made of a stale entry: it gets no new age by that.

    Args:
        entry: the entry.
        now: seconds since the epoch.
        seconds: until the entry is refreshed again, at least 1.
    """
    left = None if entry.expire is None else max(entry.expire - age_of(entry, now), 1)
    return Lifetime(max(seconds, 1), left)


def backoff_after_failure(entry: Entry, now: float, generation: int) -> Backoff:
    """The back-off after a failed refresh: the entry's own `revalidate`, but at least 3 s and at most 30 s (R4.26)."""
    interval = SHORTEST_BACKOFF if entry.revalidate is None else entry.revalidate
    return Backoff(now, min(max(interval, SHORTEST_BACKOFF), LONGEST_BACKOFF), generation)
