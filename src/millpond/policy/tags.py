"""Tags and generations: what an invalidation leaves behind, and which entries it concerns."""

from __future__ import annotations

from bisect import bisect_left
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from reprlib import Repr
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class TagRow(NamedTuple):
    """What the invalidations of one tag amount to.

    An entry that captured a smaller generation than an invalidation's was rendered from data which that
    invalidation concerns. Three generations say what follows for it, so that a soft invalidation neither forgets
    an earlier hard one (R6.23) nor extends it to entries that were rendered in between.
    """

    generation: int
    """Entries that captured less are stale (R6.6)."""
    expired: int = 0
    """Entries that captured less may not be served (R6.5, R6.7)."""
    expiring: int = 0
    """Entries that captured less may not be served from `expire_at` on (R6.6)."""
    expire_at: float | None = None
    """Seconds since the epoch; None: nothing is expiring."""


class Cleanliness(Enum):
    """What the tags say about an entry."""

    CLEAN = "clean"
    STALE = "stale"
    EXPIRED = "expired"


class TagVerdict(NamedTuple):
    cleanliness: Cleanliness
    tag: str | None = None
    """The tag that decided; None when clean."""


CLEAN = TagVerdict(Cleanliness.CLEAN)


def invalidated(row: TagRow | None, generation: int, now: float, expire_after: float | None) -> TagRow:
    """The row after one more invalidation, as the store's `generation`.

    Args:
        row: the row so far.
        generation: the store's counter after it was incremented for this invalidation.
        now: seconds since the epoch.
        expire_after: seconds for which what is older may still be served as stale; 0: not at all; None: no limit
            by this tag.
    """
    row = row or TagRow(generation)
    expired, expiring, expire_at = row.expired, row.expiring, row.expire_at
    if expire_at is not None and expire_at <= now:
        expired, expiring, expire_at = max(expired, expiring), 0, None
    if expire_after is None:
        return TagRow(generation, expired, expiring, expire_at)
    if expire_after <= 0:
        return TagRow(generation, generation)
    ends = now + expire_after
    return TagRow(generation, expired, generation, ends if expire_at is None else min(ends, expire_at))


def generation_at(moment: float, generation: int, times: Sequence[float]) -> int:
    """The generation at a moment, for what was rendered elsewhere. Where it isn't certain, the lower one.

    Args:
        moment: seconds since the epoch.
        generation: the counter now.
        times: when the latest invalidations happened, oldest first; earlier ones are forgotten.
    """
    earlier = bisect_left(times, moment)
    forgotten = generation - len(times)
    return forgotten + earlier if earlier or not forgotten else 0


def judge_tags(tags: Iterable[str], generation: int, row_of: Callable[[str], TagRow | None], now: float) -> TagVerdict:
    """Whether an entry that captured `generation` is clean; expired wins over stale (A.4)."""
    verdict = CLEAN
    for tag in tags:
        row = row_of(tag)
        if row is None or row.generation <= generation:
            continue
        due = row.expire_at is not None and row.expire_at <= now
        if generation < row.expired or (due and generation < row.expiring):
            return TagVerdict(Cleanliness.EXPIRED, tag)
        verdict = TagVerdict(Cleanliness.STALE, tag)
    return verdict


MAX_TAGS, MAX_TAG_LENGTH = 128, 256
"""How many tags one call may give, and how long each may be (R5.3)."""

MAX_TAGS_OF_ONE = 10_000
"""How many an answer, or a function's result, may have from all calls; with more it isn't stored: without those that
are too many it would outlive their invalidation."""

_OWN = "\0"  # begins the tags that routes have by themselves; no tag of a user's may
_ROUTE, _PATH, _BELOW = f"{_OWN}route:", f"{_OWN}path:", f"{_OWN}below:"

LONGEST_NAME = 64
"""Characters up to which a path stands in its own tags as it is; of a longer one there is a digest."""

DIGESTED = "mp-"
"""Begins digests of tags: of long paths, and in the keys that caches in front have (`policy/http/surrogate.py`)."""
_DIGEST, _DIGEST_BYTES = f"{_OWN}{DIGESTED}", 12

_PROBLEMS = 10


def checked_tags(tags: Iterable[object]) -> tuple[list[str], list[str]]:
    """The tags that can be used, each once, and problems about the others (R5.3; D11: commas are fine).

    A single string is one tag, not as many as it has letters. However many are wrong, the problems are few.
    """
    if isinstance(tags, str):
        tags = (tags,)
    good: dict[str, None] = {}
    problems: list[str] = []
    wrong = 0
    for tag in tags:
        problem = _problem(tag)
        if problem is not None:
            wrong += 1
            if wrong <= _PROBLEMS:
                problems.append(problem)
        elif len(good) == MAX_TAGS and tag not in good:
            problems.append(f"more than {MAX_TAGS} tags: {_shown(tag)} and what follows are left out")
            break
        else:
            good[str(tag)] = None
    if wrong > _PROBLEMS:
        problems.append(f"{wrong - _PROBLEMS} more that can be no tags are left out")
    return list(good), problems


def _problem(tag: object) -> str | None:
    if not isinstance(tag, str):
        return f"the tag {_shown(tag)} is of type {type(tag).__name__}, not a string; it is left out"
    if len(tag) > MAX_TAG_LENGTH:
        return f"a tag of {len(tag)} characters is over {MAX_TAG_LENGTH}; it is left out"
    if tag.startswith(_OWN):
        return "a tag begins with NUL; it is left out"
    return None


def own_tags(pattern: str, folders: str, path: str) -> tuple[str, ...]:
    """The tags that an answer has by where it is (R6.2): its route, its path, and everything that encloses them.

    As they are kept: what they cost together is bounded by the number of segments, however long the path is.

    Args:
        pattern: such as "/shop/[id]".
        folders: the same with groups, such as "/(main)/shop/[id]".
        path: canonical, such as "/shop/7".
    """
    above = (*_above_pattern(pattern), *_above_pattern(folders), *_above(path))
    return (route_tag(pattern), kept_tag(path_tag(path)), *dict.fromkeys(above))


def _above(path: str) -> tuple[str, ...]:
    """The tags of everything that encloses a path, as they are kept: each is made of the one before."""
    parts = [f"/{part}" for part in path.split("/") if part]
    whole, digest, end = "".join(parts), _digest(_BELOW), 0
    tags = [EVERYTHING]
    for part in parts:
        end += len(part)
        digest.update(_encoded(part))
        tags.append(f"{_BELOW}{whole[:end]}" if end <= LONGEST_NAME else _DIGEST + digest.copy().hexdigest())
    return tuple(tags)


_above_pattern = lru_cache(maxsize=4096)(_above)
"""Patterns and folders are few, and each path of a route asks for the same ones."""


def whole_tags(pattern: str, folders: str, path: str) -> dict[str, str]:
    """The whole tags of those that `own_tags` gives for the same: for people to read, as all prefixes are large."""
    wholes = [path_tag(path)]
    for text in (pattern, folders, path):
        parts = [part for part in text.split("/") if part]
        wholes += [below_tag("/" + "/".join(parts[:end])) for end in range(len(parts) + 1)]
    return {kept_tag(tag): tag for tag in wholes}


def route_tag(pattern: str) -> str:
    """Every path of the route with that pattern."""
    return f"{_ROUTE}{pattern}"


def path_tag(path: str) -> str:
    """One canonical path."""
    return f"{_PATH}{path}"


def below_tag(prefix: str) -> str:
    """A path, pattern or folder, and everything below it."""
    return f"{_BELOW}{prefix}"


def kept_tag(tag: str) -> str:
    """A tag as entries and stores have it: an own one of a long path as a digest, any other one as it is.

    Who is told of an invalidation is told the tag itself, with the path in it. Patterns of routes stay whole: they are
    as long as somebody has made a folder.
    """
    kind, colon, name = tag.partition(":")
    if len(name) <= LONGEST_NAME or f"{kind}{colon}" not in (_PATH, _BELOW):
        return tag
    return _DIGEST + _digest(tag).hexdigest()


def digest_of(tag: str) -> str:
    """What stands for a tag where it can't be written as it is; the same for a tag and for what is kept of it."""
    return tag.removeprefix(_OWN) if tag.startswith(_DIGEST) else DIGESTED + _digest(tag).hexdigest()


def _digest(text: str) -> blake2b:
    return blake2b(_encoded(text), digest_size=_DIGEST_BYTES)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


class Named(Enum):
    """What a tag names."""

    TAG = "tag"
    """Whatever its user means by it."""
    ROUTE = "route"
    PATH = "path"
    BELOW = "below"
    KEY = "key"
    """What is kept of a long path's tag names nothing any more."""


def named(tag: str) -> tuple[Named, str]:
    """What a tag names, and the name: a user's own tag, a pattern, a path, or what is below either."""
    if not is_own(tag):
        return Named.TAG, tag
    if tag.startswith(_DIGEST):
        return Named.KEY, tag.removeprefix(_OWN)
    kind, _, name = tag.removeprefix(_OWN).partition(":")
    return Named(kind), name


EVERYTHING = below_tag("/")
"""The tag that every answer has."""


def is_own(tag: str) -> bool:
    """Whether it is a tag that answers have by where they are."""
    return tag.startswith(_OWN)


def _shown(value: object) -> str:
    """A value in a message: it may be anything, of any size."""
    return _repr.repr(value)


_repr = Repr()
_repr.maxstring = _repr.maxother = 80
