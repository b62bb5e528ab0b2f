"""The decision about one request: headers, logs and `explain` are all printed from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What a request gets; all but LIVE are values of `x-nextjs-cache` (4.2)."""

    HIT = "HIT"
    STALE = "STALE"
    MISS = "MISS"
    BYPASS = "BYPASS"
    LIVE = "LIVE"


class Reason(StrEnum):
    """Why. The values appear as `detail` in Cache-Status, so they name mechanisms and never code."""

    FRESH = "fresh"
    REFRESH_FAILED = "refresh-failed"
    """The last refresh failed: the last good answer counts as fresh until the next try (R4.26)."""
    AGE = "age"
    """Older than `revalidate` (R4.6)."""
    TAG = "tag"
    """A tag was invalidated (R4.8, R4.9)."""
    EXPIRED = "expired"
    """Older than `expire` (R4.7)."""
    COLD = "cold"
    """Nothing is stored for the path (R4.4)."""
    OTHER_BUILD = "other-build"
    DRAFT = "draft"
    LIVE_ROUTE = "live"
    TURNED_DYNAMIC = "turned-dynamic"
    """A static route asked for request data at run time, and was run live (D7)."""
    DEVELOPMENT = "development"
    STORE_UNREACHABLE = "store-unreachable"
    """The shared store can't be reached: what was known last is served, or rendered for whoever asks."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`(action, reason)` and what Cache-Status (RFC 9211) says besides."""

    action: Action
    reason: Reason
    tag: str | None = None
    """The tag that decided, for logs and `explain`."""
    ttl: int | None = None
    """Seconds of freshness left; negative for stale answers (RFC 9211, section 2.4)."""
    stored: bool = False
    collapsed: bool = False
    """Another request's render answered this one (RFC 9211, section 2.6)."""
    status: int | None = None
    """The status that the render produced, where one ran."""
