"""Tags and generations: what an invalidation records, and which entries it affects."""

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
    """The combined effect of all invalidations of one tag.

    An invalidation affects the entries that captured a smaller generation than its own. There are three generations,
    so that a soft invalidation neither forgets an earlier hard one (R6.23) nor extends it to entries that were
    rendered in between.
    """

    generation: int
    """Entries with a smaller generation are stale (R6.6)."""
    expired: int = 0
    """Entries with a smaller generation may not be served (R6.5, R6.7)."""
    expiring: int = 0
    """Entries with a smaller generation may not be served from `expire_at` on (R6.6)."""
    expire_at: float | None = None
    """Seconds since the epoch; None: nothing is expiring."""


class Cleanliness(Enum):
    """The state of an entry according to its tags."""

    CLEAN = "clean"
    STALE = "stale"
    EXPIRED = "expired"


class TagVerdict(NamedTuple):
    cleanliness: Cleanliness
    tag: str | None = None
    """The tag that caused the verdict; None when clean."""


CLEAN = TagVerdict(Cleanliness.CLEAN)


def invalidated(row: TagRow | None, generation: int, now: float, expire_after: float | None) -> TagRow:
    """The tag's row after one more invalidation.

    Args:
        row: the row so far.
        generation: the store's counter after it was incremented for this invalidation.
        now: seconds since the epoch.
        expire_after: seconds for which older entries may still be served as stale; 0: not at all; None: this
            invalidation sets no limit.
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
    """The generation at a given time, for entries that were rendered elsewhere. If in doubt, the lower one.

    Args:
        moment: seconds since the epoch.
        generation: the current value of the counter.
        times: the times of the latest invalidations, oldest first; those of earlier ones are no longer known.
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
        if judge_row(row, generation, now) is Cleanliness.EXPIRED:
            return TagVerdict(Cleanliness.EXPIRED, tag)
        verdict = TagVerdict(Cleanliness.STALE, tag)
    return verdict


def judge_row(row: TagRow, generation: int, now: float) -> Cleanliness:
    """What one row says about an entry that captured `generation`."""
    if row.generation <= generation:
        return Cleanliness.CLEAN
    due = row.expire_at is not None and row.expire_at <= now
    return Cleanliness.EXPIRED if generation < row.expired or (due and generation < row.expiring) else Cleanliness.STALE


MAX_TAGS, MAX_TAG_LENGTH = 128, 256
"""How many tags one call may give, and how long each may be (R5.3)."""

MAX_TAGS_OF_ONE = 10_000
"""How many tags an answer or a function's result may have in total. With more it isn't stored: if some tags were
dropped, it would survive their invalidation."""

_OWN = "\0"  # prefix of the built-in tags of routes; a user's tag can't have it
_ROUTE, _PATH, _BELOW, _HOST = f"{_OWN}route:", f"{_OWN}path:", f"{_OWN}below:", f"{_OWN}host:"

LONGEST_NAME = 64
"""Characters. In the built-in tags, a longer path is replaced by a digest."""

DIGESTED = "mp-"
"""The prefix of digests of tags: those of long paths, and surrogate keys (`policy/http/surrogate.py`)."""
_DIGEST, _DIGEST_BYTES = f"{_OWN}{DIGESTED}", 12

_MAX_PROBLEMS = 10


def checked_tags(tags: Iterable[object]) -> tuple[list[str], list[str]]:
    """The valid tags without duplicates, and a list of problems with the others (R5.3; D11: commas are allowed).

    A single string is one tag, not a sequence of letters. The number of problems is limited.
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
            if wrong <= _MAX_PROBLEMS:
                problems.append(problem)
        elif len(good) == MAX_TAGS and tag not in good:
            problems.append(f"more than {MAX_TAGS} tags: from {_shown(tag)} on")
            break
        else:
            good[str(tag)] = None
    if wrong > _MAX_PROBLEMS:
        problems.append(f"{wrong - _MAX_PROBLEMS} more invalid tags")
    return list(good), problems


def _problem(tag: object) -> str | None:
    if not isinstance(tag, str):
        return f"the tag {_shown(tag)} is of type {type(tag).__name__}, not a string"
    if len(tag) > MAX_TAG_LENGTH:
        return f"a tag of {len(tag)} characters is over {MAX_TAG_LENGTH}"
    if tag.startswith(_OWN):
        return "a tag begins with NUL"
    return None


def own_tags(pattern: str, folders: str, path: str) -> tuple[str, ...]:
    """The built-in tags of an answer (R6.2): its route, its path, and every folder and path prefix above them.

    They have their stored form (`kept_tag`), so their total size depends on the number of segments only, not on the
    length of the path.

    Args:
        pattern: such as "/shop/[id]".
        folders: the pattern with its route groups, such as "/(main)/shop/[id]".
        path: canonical, such as "/shop/7".
    """
    above = (*_above_pattern(pattern), *_above_pattern(folders), *_above(path))
    return (route_tag(pattern), kept_tag(path_tag(path)), *dict.fromkeys(above))


def _above(path: str) -> tuple[str, ...]:
    """The stored tags of all prefixes of a path. One running digest serves all of them, so the work is linear."""
    parts = [f"/{part}" for part in path.split("/") if part]
    whole, tags, end = "".join(parts), [EVERYTHING], 0
    if len(whole) <= LONGEST_NAME:  # nearly always
        for part in parts:
            end += len(part)
            tags.append(f"{_BELOW}{whole[:end]}")
        return tuple(tags)
    digest = _digest(_BELOW)
    for part in parts:
        end += len(part)
        digest.update(_encoded(part))
        tags.append(f"{_BELOW}{whole[:end]}" if end <= LONGEST_NAME else _DIGEST + digest.copy().hexdigest())
    return tuple(tags)


_above_pattern = lru_cache(maxsize=4096)(_above)
"""Cached, as patterns and folders are few and all paths of a route need the same ones."""


def whole_tags(pattern: str, folders: str, path: str) -> dict[str, str]:
    """The readable tag for each stored tag that `own_tags` returns. For display only: the prefixes add up."""
    wholes = [path_tag(path)]
    for text in (pattern, folders, path):
        parts = [part for part in text.split("/") if part]
        wholes += [below_tag("/" + "/".join(parts[:end])) for end in range(len(parts) + 1)]
    return {kept_tag(tag): tag for tag in wholes}


def route_tag(pattern: str) -> str:
    """The tag of every path of the route with that pattern."""
    return f"{_ROUTE}{pattern}"


def path_tag(path: str) -> str:
    """The tag of one canonical path."""
    return f"{_PATH}{path}"


def below_tag(prefix: str) -> str:
    """The tag of a path, pattern or folder, and of everything below it."""
    return f"{_BELOW}{prefix}"


def host_tag(host: str, tag: str) -> str:
    """The tag that answers for one host have besides `tag`, so that it can be invalidated for that host alone.

    Args:
        host: as `normal_host` returns it.
        tag: of a user's, or a built-in one.
    """
    return f"{_HOST}{host} {tag.removeprefix(_OWN)}" if tag.startswith(_OWN) else f"{_HOST}{host}  {tag}"


def of_host(tag: str) -> tuple[str, str] | None:
    """The host and the tag that `host_tag` has joined; None for other tags, and for digests."""
    if not tag.startswith(_HOST):
        return None
    host, _, inner = tag.removeprefix(_HOST).partition(" ")
    return host, inner[1:] if inner.startswith(" ") else f"{_OWN}{inner}"


def kept_tag(tag: str) -> str:
    """The form of a tag in entries and stores: a digest for a long path or host, else the tag itself.

    Purges still get the full tag, with the path in it. Patterns of routes are never digested: their length is that of
    the project's own folders.
    """
    tag = _with_kept_tag(tag)
    kind, colon, name = tag.partition(":")
    if len(name) <= LONGEST_NAME or f"{kind}{colon}" not in (_PATH, _BELOW, _HOST):
        return tag
    return _DIGEST + _digest(tag).hexdigest()


def _with_kept_tag(tag: str) -> str:
    """A host's tag with the stored form of the tag in it, which is all that answers know; others as they are."""
    joined = of_host(tag)
    return tag if joined is None else host_tag(joined[0], kept_tag(joined[1]))


def digest_of(tag: str) -> str:
    """The digest of a tag, for places that can't hold the tag itself; the same for a tag and for its stored form."""
    if tag.startswith(_DIGEST):
        return tag.removeprefix(_OWN)
    return DIGESTED + _digest(_with_kept_tag(tag)).hexdigest()


def _digest(text: str) -> blake2b:
    return blake2b(_encoded(text), digest_size=_DIGEST_BYTES)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


class Named(Enum):
    """What a tag refers to."""

    TAG = "tag"
    """Whatever the user means by it."""
    ROUTE = "route"
    PATH = "path"
    BELOW = "below"
    HOST = "host"
    """A host, and a tag of its answers."""
    KEY = "key"
    """The digest of a long path's tag, or of a host's, from which neither can be recovered."""


def named(tag: str) -> tuple[Named, str]:
    """What a tag refers to, and its name: a user's tag, a pattern, a path, or a prefix."""
    if not is_own(tag):
        return Named.TAG, tag
    if tag.startswith(_DIGEST):
        return Named.KEY, tag.removeprefix(_OWN)
    kind, _, name = tag.removeprefix(_OWN).partition(":")
    return Named(kind), name


EVERYTHING = below_tag("/")
"""The built-in tag that every answer has."""


def is_narrow(tag: str) -> bool:
    """Whether a tag is a user's or one path's, rather than that of a route or of everything below a folder.

    The digest of a long path counts as one path's, though it may be that of everything below.
    """
    return not is_own(tag) or tag.startswith((_PATH, _DIGEST))


def is_own(tag: str) -> bool:
    """Whether it is a built-in tag of routes and paths."""
    return tag.startswith(_OWN)


def _shown(value: object) -> str:
    """A value shortened for a message: it may be anything, of any size."""
    return _repr.repr(value)


_repr = Repr()
_repr.maxstring = _repr.maxother = 80
