"""The decision about one request: the one source for headers, logs and `explain`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """How a request is answered. All but LIVE are values of `x-nextjs-cache` (4.2)."""

    HIT = "HIT"
    STALE = "STALE"
    MISS = "MISS"
    BYPASS = "BYPASS"
    LIVE = "LIVE"


class Reason(StrEnum):
    """Why the request is answered this way.

    The values appear as `detail` in Cache-Status, so they name mechanisms and never the user's code.
    """

    FRESH = "fresh"
    REFRESH_FAILED = "refresh-failed"
    """The last refresh failed: the last good answer counts as fresh until the next attempt (R4.26)."""
    AGE = "age"
    """Older than `revalidate` (R4.6)."""
    TAG = "tag"
    """A tag was invalidated (R4.8, R4.9)."""
    EXPIRED = "expired"
    """Older than `expire` (R4.7)."""
    COLD = "cold"
    """Nothing is stored for the path (R4.4)."""
    OTHER_BUILD = "other-build"
    """Stored by another build, and not to be served by this one."""
    FORMER_BUILD = "former-build"
    """Stored by an earlier build in which the route was the same; `cache.across_builds` lets it be served as stale."""
    DRAFT = "draft"
    LIVE_ROUTE = "live"
    TURNED_DYNAMIC = "turned-dynamic"
    """A static route read request data at run time, and was run live (D7)."""
    DEVELOPMENT = "development"
    STORE_UNREACHABLE = "store-unreachable"
    """The shared store can't be reached: the last known answer is served, or one is rendered for this request."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`(action, reason)`, and the other facts that Cache-Status reports (RFC 9211)."""

    action: Action
    reason: Reason
    tag: str | None = None
    """The tag that caused the decision, for logs and `explain`."""
    ttl: int | None = None
    """Remaining freshness in seconds; negative for stale answers (RFC 9211, section 2.4)."""
    stored: bool = False
    collapsed: bool = False
    """Another request's render answered this one (RFC 9211, section 2.6)."""
    status: int | None = None
    """The status that the render produced, if one ran."""
