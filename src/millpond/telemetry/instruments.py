"""What is counted: one row for each metric, of which the code, `/metrics`, OpenTelemetry and the documentation know.

Names, units and attributes are those of OpenTelemetry's semantic conventions where these have any. Attributes have few
values: those of `http.route` are the application's routes, never paths, tags or hosts that clients choose.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """How the values of a metric behave."""

    COUNTER = "counter"
    """It only grows, also when a process is replaced by another."""
    HISTOGRAM = "histogram"
    GAUGE = "gauge"
    """What is so now, of the processes that run."""


class Instrument(NamedTuple):
    """One metric."""

    name: str
    kind: Kind
    unit: str
    """By the Unified Code for Units of Measure, as OpenTelemetry has it: `s`, `By`, `{request}`."""
    attributes: tuple[str, ...]
    description: str
    shared: bool = False
    """Of a gauge: all processes of a host look at the same thing, so the largest value counts, and not the sum."""


_ROUTE = "http.route"

REQUESTS = Instrument(
    "millpond.requests",
    Kind.COUNTER,
    "{request}",
    (_ROUTE, "http.response.status_class", "millpond.decision", "millpond.reason", "millpond.origin"),
    "Requests that were answered, by what the cache decided and why.",
)
RENDERS = Instrument(
    "millpond.render.duration",
    Kind.HISTOGRAM,
    "s",
    (_ROUTE, "millpond.cause", "millpond.outcome"),
    "Renders of static and fresh routes while serving.",
)
LIVE_SAMPLED = Instrument(
    "millpond.live.sampled", Kind.COUNTER, "{request}", (_ROUTE,), "Live GETs whose reads of the request were noted."
)
LIVE_READS = Instrument(
    "millpond.live.reads",
    Kind.COUNTER,
    "{request}",
    (_ROUTE, "millpond.read"),
    "Of the sampled live GETs: those that read this part of the request.",
)
LIVE_EQUAL = Instrument(
    "millpond.live.equal",
    Kind.COUNTER,
    "{request}",
    (_ROUTE, "millpond.when"),
    "Live GETs that were equal to another: with its path, query and credentials at the same time (together), or, of "
    "the sampled ones, with the path, query and all that was read of one of the last (again).",
)
SLOW_FETCHES = Instrument(
    "millpond.fetch.overdue",
    Kind.COUNTER,
    "{fetch}",
    (_ROUTE, "code.file.path", "code.line.number"),
    "Fetches whose upstream took longer than its data stays fresh.",
)
RENDERED_BYTES = Instrument(
    "millpond.render.body.size", Kind.COUNTER, "By", (_ROUTE,), "Bytes of the bodies that were rendered."
)
REFRESHES_RUNNING = Instrument(
    "millpond.refreshes.running", Kind.GAUGE, "{render}", (), "Renders in the background that run now."
)
REFRESHES_WAITING = Instrument(
    "millpond.refreshes.waiting", Kind.GAUGE, "{render}", (), "Stale answers that wait for their turn to be rendered."
)
REFRESHES_REFUSED = Instrument(
    "millpond.refreshes.refused",
    Kind.COUNTER,
    "{render}",
    ("millpond.reason",),
    "Renders that were not begun: too many wait, or too many are overdue.",
)
INVALIDATIONS = Instrument(
    "millpond.invalidations",
    Kind.COUNTER,
    "{tag}",
    ("millpond.origin", "millpond.kind", "millpond.mode"),
    "Tags and paths that were invalidated, by who did it.",
)
COMMITS = Instrument(
    "millpond.store.commits",
    Kind.COUNTER,
    "{entry}",
    ("millpond.entry.kind", "millpond.outcome"),
    "Entries that were handed to the store, and what became of them.",
)
EVICTIONS = Instrument(
    "millpond.store.eviction.age",
    Kind.HISTOGRAM,
    "s",
    ("millpond.entry.read",),
    "Entries that a full store evicted: how old they were, and whether anybody had read them.",
)
STORE_BYTES = Instrument(
    "millpond.store.size", Kind.GAUGE, "By", (), "Bytes in the store, as it counts them.", shared=True
)
STORE_LIMIT = Instrument("millpond.store.limit", Kind.GAUGE, "By", (), "Bytes at which the store evicts.", shared=True)
STORE_ENTRIES = Instrument("millpond.store.entries", Kind.GAUGE, "{entry}", (), "Entries in the store.", shared=True)
LEASE_WAITS = Instrument(
    "millpond.lease.wait.duration",
    Kind.HISTOGRAM,
    "s",
    ("millpond.entry.kind",),
    "Waits for another process that makes the same entry.",
)
UPSTREAM_CALLS = Instrument(
    "http.client.request.duration",
    Kind.HISTOGRAM,
    "s",
    ("server.address", "http.request.method", "http.response.status_code"),
    "Requests that fetch sends to upstreams; the status is the error's name where there was no answer.",
)
FUNCTION_FILLS = Instrument(
    "millpond.function.fill.duration",
    Kind.HISTOGRAM,
    "s",
    ("code.function.name", "millpond.outcome"),
    "Calls of cached functions that ran, as nothing usable was stored.",
)
PURGES = Instrument(
    "millpond.purge.duration",
    Kind.HISTOGRAM,
    "s",
    ("millpond.purger", "millpond.outcome"),
    "Purges of caches in front.",
)
CRONS = Instrument("millpond.cron.duration", Kind.HISTOGRAM, "s", (_ROUTE, "millpond.outcome"), "Runs of crons.")
DRIFTED = Instrument(
    "millpond.frozen.drifted",
    Kind.GAUGE,
    "{variable}",
    (),
    "Environment variables that answers of the build were made from, and that differ here.",
    shared=True,
)
PROCESSES = Instrument("millpond.processes", Kind.GAUGE, "{process}", (), "Processes of this host that serve.")

INSTRUMENTS = (
    REQUESTS,
    RENDERS,
    LIVE_SAMPLED,
    LIVE_READS,
    LIVE_EQUAL,
    SLOW_FETCHES,
    RENDERED_BYTES,
    REFRESHES_RUNNING,
    REFRESHES_WAITING,
    REFRESHES_REFUSED,
    INVALIDATIONS,
    COMMITS,
    EVICTIONS,
    STORE_BYTES,
    STORE_LIMIT,
    STORE_ENTRIES,
    LEASE_WAITS,
    UPSTREAM_CALLS,
    FUNCTION_FILLS,
    PURGES,
    CRONS,
    DRIFTED,
    PROCESSES,
)
BY_NAME = {instrument.name: instrument for instrument in INSTRUMENTS}
SHARED = frozenset(instrument.name for instrument in INSTRUMENTS if instrument.shared)
