"""Kinds of advice, and those that a route file says to be meant (`advise_ok`)."""

from __future__ import annotations

from enum import StrEnum

from millpond.messages import closest, one_of


class AdviceKind(StrEnum):
    """What `millpond advise` can tell; docs/reference.md has a row for each."""

    FAILING_REFRESH = "failing-refresh"
    """A route can't be rendered any more, and serves an older answer."""
    FROZEN_DRIFT = "frozen-drift"
    """What an answer was made from at build is no longer what the server has."""
    ACCIDENTAL_NO_STORE = "accidental-no-store"
    """A route that asks to be stored is live."""
    LONG_LIFETIME = "long-lifetime"
    """Clients get old data for long."""
    SHORT_LIFETIME = "short-lifetime"
    """Renders change nothing."""
    NEVER_READ = "never-read"
    """Answers are rendered, and nobody asks for them again."""
    SCANNED_PATHS = "scanned-paths"
    """Answers of 404 for paths that nobody asks for again."""
    UNUSED_TAG = "unused-tag"
    """A tag is invalidated that nothing has."""
    BROAD_TAG = "broad-tag"
    """A tag is invalidated that nearly everything has."""
    MANY_VARIANTS = "many-variants"
    """The key has so many values that answers aren't found again."""
    LIVE_READS_NOTHING = "live-reads-nothing"
    """A live route gives everybody the same."""
    LIVE_ONE_HEADER = "live-one-header"
    """A live route reads one header or cookie alone."""
    LIVE_QUERY = "live-query"
    """A live route reads some query parameters alone."""
    EQUAL_LIVE = "equal-live"
    """Equal requests run a live route at the same time."""
    SLOW_UPSTREAM = "slow-upstream"
    """An upstream takes longer than its data stays fresh."""
    SMALL_STORE = "small-store"
    """Answers are rendered again since a full store has evicted them."""
    USELESS_CODING = "useless-coding"
    """Bodies are compressed that don't get smaller."""
    IDLE_CRON = "idle-cron"
    """A cron is configured that doesn't run."""


class UnknownAdvice(ValueError):
    """An entry of `advise_ok` names no kind; `str(error)` suggests a correction."""

    def __init__(self, text: str) -> None:
        guess = closest(text.lower(), [kind.value for kind in AdviceKind])
        hint = f'did you mean "{guess}"?' if guess else f"there are {one_of(kind.value for kind in AdviceKind)}"
        super().__init__(f'"{text}" is unknown ({hint})')


def parse_advice_kind(text: str) -> AdviceKind:
    """The kind of that name.

    Raises:
        UnknownAdvice: there is none.
    """
    try:
        return AdviceKind(text)
    except ValueError:
        raise UnknownAdvice(text) from None
