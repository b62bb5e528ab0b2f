"""What is known of an application, for advice to be made from."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from millpond.policy.segment import SegmentConfig


class SeenRenders(NamedTuple):
    """Renders of one route that ended alike."""

    number: float = 0
    seconds: float = 0.0
    """The sum."""

    def plus(self, other: SeenRenders) -> SeenRenders:
        """Both together."""
        return SeenRenders(self.number + other.number, self.seconds + other.seconds)


@dataclass(slots=True)
class SeenTraffic:
    """What was counted for one route."""

    requests: defaultdict[tuple[str, str, str], float] = field(default_factory=lambda: defaultdict(float))
    """Of clients, by the decision, its reason and the class of the status."""
    renders: dict[tuple[str, str], SeenRenders] = field(default_factory=dict)
    """By cause and outcome."""
    sampled: float = 0
    """Live GETs whose reads were noted."""
    reads: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """How many of these have read a part of the request."""
    together: float = 0
    """Live GETs that were equal to one that ran."""
    again: float = 0
    """Of the sampled ones, those that were equal to one of the last."""

    @property
    def total(self) -> float:
        """All requests."""
        return sum(self.requests.values())

    def decided(self, action: str, reason: str | None = None) -> float:
        """Requests that were decided so."""
        return sum(
            number for (each, why, _), number in self.requests.items() if each == action and reason in (None, why)
        )

    def rendered(self, *outcomes: str, cause: str | None = None) -> SeenRenders:
        """Renders with one of these outcomes; all of them where none is given."""
        found = SeenRenders()
        for (each, outcome), rendered in self.renders.items():
            if cause in (None, each) and (not outcomes or outcome in outcomes):
                found = found.plus(rendered)
        return found


class QueryValues(NamedTuple):
    """One parameter of `cache_query`, over the stored answers of a route."""

    name: str
    values: int
    """How many different ones there are."""


@dataclass(slots=True)
class SeenAnswers:
    """The answers of one route that are stored now."""

    entries: int = 0
    bytes: int = 0
    paths: int = 0
    """Different ones."""
    unread: int = 0
    """Answers that are old enough to have been read, and weren't."""
    unread_bytes: int = 0
    unread_missing: int = 0
    """Those of them with the status 404 or 410."""
    unread_missing_bytes: int = 0
    unread_keyed: int = 0
    """Those of them with a query or a variant in their key."""
    keyed: int = 0
    of_build: int = 0
    """Answers that are still those that the build has rendered."""
    queries: list[QueryValues] = field(default_factory=list)
    variants: int = 0
    """Different ones of the host and the values of `cache_vary`."""
    revalidate: float | None = None
    """The shortest lifetime, in seconds; None: all are never stale."""
    tried_codings: int = 0
    """Bodies that a client may get compressed, of a sample."""
    useless_codings: int = 0
    """Those of them that don't get smaller."""
    coded_bytes: int = 0
    """Of the bodies in the sample that don't get smaller."""


class FrozenInput(NamedTuple):
    """What an answer was made from at build, and what has changed since."""

    subject: str
    """ "env SHOP_URL", "file data/rates.json"."""
    place: str
    change: str
    """ "isn't what it was"."""


@dataclass(slots=True, kw_only=True)
class SeenRoute:
    """One route."""

    pattern: str
    file: str
    config: SegmentConfig
    places: Mapping[str, str]
    """Where GET, an option or `generate_static_params` is written: "app/route.py:7"."""
    static: bool
    on_demand: bool
    closed: bool
    wishes_static: bool
    """Whether its author asks for a static GET."""
    has_params: bool
    why: str
    why_place: str
    is_endless: bool = False
    """Whether its answer is a stream of events, which nothing can store."""
    declared: Sequence[tuple[str, str]] = ()
    """Kind and name of each input that the signature asks for."""
    drifted: Sequence[FrozenInput] = ()
    traffic: SeenTraffic = field(default_factory=SeenTraffic)
    answers: SeenAnswers = field(default_factory=SeenAnswers)

    def place(self, *names: str) -> str:
        """Where the first of these is written that is; the file of the route otherwise."""
        return next((self.places[name] for name in names if name in self.places), self.file)


class SeenTag(NamedTuple):
    """A tag of stored answers."""

    answers: int
    routes: tuple[str, ...]
    place: str
    """Where it is written, if that was found."""


class SeenInvalidation(NamedTuple):
    """Invalidations of one tag from one place."""

    tag: str
    times: int
    hard: bool
    origin: str
    """ "handler", "cli"."""
    name: str
    """Who did it, of an origin that has names."""
    place: str
    last: float
    """Seconds since the epoch."""
    given: str = ""
    """Where something is given the tag, or one of its family, whether it is stored now or not."""


class SeenFailure(NamedTuple):
    """Renders that fail with one cause, until now."""

    error: str
    message: str
    place: str
    source: str
    """The line."""
    routes: tuple[str, ...]
    times: int
    since: float


class SlowFetch(NamedTuple):
    """Calls of `fetch` at one place whose upstream took longer than its data stays fresh."""

    route: str
    place: str
    number: float


class SeenCron(NamedTuple):
    """A cron."""

    path: str
    schedule: str
    place: str
    route: str
    """The pattern of the route that it runs; "" where there is none."""
    problem: str
    """Why it never runs; "": nothing is known to stand in the way."""


class SeenStore(NamedTuple):
    """How full the store is."""

    is_known: bool = False
    bytes: int = 0
    limit: int = 0
    entries: int = 0
    evicted: float = 0
    """Entries in this time, as far as that is counted."""
    evicted_read: float = 0
    """Those of them that had been read."""
    place: str = ""
    """Where its size is configured, or would be."""
    stale_tags: Mapping[str, int] = {}
    """Answers that a soft invalidation of a tag has made stale, by the tag, and that are still stored so."""


@dataclass(slots=True, kw_only=True)
class Observed:
    """All that is known."""

    now: float
    """Seconds since the epoch."""
    seconds: float
    """How long what was counted took."""
    routes: Sequence[SeenRoute] = ()
    tags: Mapping[str, SeenTag] = field(default_factory=dict)
    answers: int = 0
    """Stored ones, of all routes."""
    invalidations: Sequence[SeenInvalidation] = ()
    failures: Sequence[SeenFailure] = ()
    slow_fetches: Sequence[SlowFetch] = ()
    crons: Sequence[SeenCron] = ()
    store: SeenStore = field(default_factory=SeenStore)

    def route(self, pattern: str) -> SeenRoute | None:
        """The route of a pattern."""
        return next((each for each in self.routes if each.pattern == pattern), None)

    def hourly(self, number: float) -> float:
        """A number that was counted, for each hour; over less than an hour it isn't extrapolated."""
        return number * 3600 / max(self.seconds, 3600)
