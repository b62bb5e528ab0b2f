"""What became of the paths that were asked for."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Outcome(StrEnum):
    """What asking for one path has done."""

    HIT = "hit"
    """A fresh answer was there already."""
    RENDERED = "rendered"
    """It was rendered, and is there now."""
    STALE = "stale"
    """An older answer is there, which is rendered anew in the background."""
    LIVE = "live"
    """It was run for this request alone: nothing is stored."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """It wasn't asked for."""


class Warmed(NamedTuple):
    """One path, and what became of it."""

    path: str
    outcome: Outcome
    status: int | None = None
    why: str | None = None
    """Of what failed, was skipped, or is live."""
    seconds: float = 0.0


class Warms(Protocol):
    """Asks for paths."""

    async def warm(self, path: str) -> Warmed:
        """Ask for a path, so that an answer is there.

        Args:
            path: encoded, with its query.
        """
        ...

    async def read(self, path: str, most: int) -> bytes | None:
        """The body of an answer that has the status 200, of at most so many bytes; None if there is none."""
        ...


class WarmTally:
    """The outcomes of a whole warming."""

    def __init__(self) -> None:
        self.counts: Counter[Outcome] = Counter()
        self.failed: list[Warmed] = []
        self.skipped: list[Warmed] = []

    def add(self, warmed: Warmed) -> None:
        """Count one."""
        self.counts[warmed.outcome] += 1
        if warmed.outcome is Outcome.FAILED:
            self.failed.append(warmed)
        elif warmed.outcome in (Outcome.SKIPPED, Outcome.LIVE):
            self.skipped.append(warmed)

    @property
    def asked(self) -> int:
        """Paths that were asked for."""
        return self.counts.total() - self.counts[Outcome.SKIPPED]

    def facts(self) -> dict[str, Any]:
        """As JSON has it."""
        numbers = {outcome.value: self.counts[outcome] for outcome in Outcome}
        named = {"failed": self.failed, "skipped": self.skipped}
        return {
            "asked": self.asked,
            **{name: number for name, number in numbers.items() if name not in named},
            **{name: [_facts(each) for each in listed] for name, listed in named.items()},
        }

    def why_skipped(self) -> Iterator[tuple[str, int]]:
        """The reasons why paths were left out or have nothing to store, the most frequent first."""
        yield from Counter(each.why or "" for each in self.skipped).most_common()

    def __str__(self) -> str:
        parts = [f"{self.counts[outcome]} {_WORDS[outcome]}" for outcome in _WORDS if self.counts[outcome]]
        return f"{self.asked} asked" + (f": {', '.join(parts)}" if parts else "")


_WORDS = {
    Outcome.RENDERED: "rendered",
    Outcome.HIT: "already there",
    Outcome.STALE: "stale, and rendered anew",
    Outcome.LIVE: "live",
    Outcome.FAILED: "failed",
    Outcome.SKIPPED: "skipped",
}


def _facts(warmed: Warmed) -> dict[str, Any]:
    return {"path": warmed.path, "status": warmed.status, "why": warmed.why}
