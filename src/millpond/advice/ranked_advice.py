"""All advice about an application, by what it risks or saves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.advice.kinds.built import accidental_no_store, frozen_drift
from millpond.advice.kinds.lifetimes import long_lifetimes, short_lifetimes
from millpond.advice.kinds.live_runs import equal_live, live_reads
from millpond.advice.kinds.operated_parts import (
    failing_refreshes,
    idle_crons,
    slow_upstreams,
    small_stores,
    useless_codings,
)
from millpond.advice.kinds.tagging import broad_tags, unused_tags
from millpond.advice.kinds.unread import many_variants, never_read, scanned_paths

if TYPE_CHECKING:
    from millpond.advice.advised import Advised
    from millpond.advice.observation import Observed, SeenRoute

_KINDS = (
    failing_refreshes,
    frozen_drift,
    accidental_no_store,
    long_lifetimes,
    short_lifetimes,
    never_read,
    scanned_paths,
    unused_tags,
    broad_tags,
    many_variants,
    live_reads,
    equal_live,
    slow_upstreams,
    small_stores,
    useless_codings,
    idle_crons,
)


def advise(seen: Observed) -> list[Advised]:
    """What should be changed: first what is at risk, then what costs most. What a file says to be meant is left out."""
    found = [each for kind in _KINDS for each in kind(seen) if not _is_meant(seen, each)]
    return sorted(found, key=lambda each: (not each.risks, -each.weight, each.kind, each.routes, each.place))


def _is_meant(seen: Observed, advised: Advised) -> bool:
    """Whether the file that it is about says so; of several routes, each one's has to."""
    about = [route for route in seen.routes if route.pattern in advised.routes]
    file = advised.place.rpartition(":")[0]
    at_place = [route for route in seen.routes if route.file == file]
    return any(_allows(route, advised) for route in at_place) or (
        bool(about) and all(_allows(route, advised) for route in about)
    )


def _allows(route: SeenRoute, advised: Advised) -> bool:
    return advised.kind in route.config.advise_ok
