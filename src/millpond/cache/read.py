"""One caller's read of one key, and what comes of it: what answers, fetched data and results of functions differ in."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.decision import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.trace import Link, SpanContext

    from millpond.policy.entry import Entry
    from millpond.policy.freshness import Judgement


class Fate(Enum):
    """What happens to the stored entry after a run."""

    REPLACE = "replace"
    """The new entry takes its place."""
    BACK_OFF = "back off"
    """It stays, and counts as fresh until the next attempt (R4.26)."""
    REMOVE = "remove"
    """It is removed, as each read would serve it and start a new run."""
    LEAVE = "leave"
    """It stays as it is: only the waiting callers get the new entry."""


class Made(NamedTuple):
    """The result of a run."""

    entry: Entry
    fate: Fate = Fate.REPLACE


class Run(NamedTuple):
    """The state captured before a run begins. It shows later which invalidations the run may have missed."""

    generation: int
    """The store's generation."""
    began: float
    """The start of the run, in seconds since the epoch."""
    background: bool
    """Whether it is a background refresh, which no caller started; callers may wait for it all the same."""

    @property
    def rendered_at(self) -> float:
        """The time of what it makes."""
        return self.began


class Read(ABC):
    """One caller's read of one key."""

    key: str
    name: str
    """The name used in messages."""
    group: str = ""
    """What its refreshes share their places with: see `RefreshQueue`."""
    waits: bool = False
    """Whether the reader waits for a fresh entry instead of taking a stale one."""
    awaits_due: bool = True
    """Whether, if it waits, it also waits for the successor of an entry that is due. What is made of that entry would
    otherwise be as old as it is, and fresh for a whole period."""
    soft_timeout: float = math.inf
    """Seconds that it waits at most where there is a stale entry that may be served."""
    caused_by: Link | None = None
    """Links to the span in which it is read."""
    because: Reason = Reason.FRESH
    """Why a run was needed, where one was."""
    traced: SpanContext | None = None
    """The span of the run that has made an entry."""

    @abstractmethod
    def judge(self, entry: Entry) -> Judgement:
        """What this reader may do with an entry now."""

    @abstractmethod
    async def make(self, run: Run) -> Made:
        """Make a new entry.

        Raises:
            BaseException: the run failed; every waiting caller gets this error.
        """

    @abstractmethod
    def after_failure(self, error: BaseException, run: Run) -> Fate:
        """What happens to the stored entry when `make` raises. Not called for cancellations."""

    def keeps(self, entry: Entry) -> bool:
        """Whether the stored entry can be used further after a run has failed."""
        return self.judge(entry).servable

    def refuse(self) -> None:  # noqa: B027 - most readers have no reason to
        """Called before the reader waits for a run. It may raise an error to prevent that."""

    def surplus(self, entry: Entry) -> Iterable[str]:
        """The keys of other entries to remove now that `entry` has been stored."""
        del entry
        return ()


class Obtained(NamedTuple):
    """An entry for a reader."""

    entry: Entry
    judgement: Judgement
    """The current judgement. Even an entry that was just made may have been invalidated meanwhile."""
    made: bool = False
    """Whether a run made it for this read. The remaining fields describe that run."""
    because: Reason = Reason.FRESH
    """Why a run was needed."""
    stored: bool = True
    joined: bool = False
    """Whether another reader had started the run."""
    late: bool = False
    """Whether the reader waited for a run, as long as its soft timeout is, and gets the stale entry."""
