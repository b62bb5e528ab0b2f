"""Whether a GET is a candidate for static: what its file says, before anything has run (A.1, classic model)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from millpond.policy.variants.variant import HOST
from millpond.render.request.static_promise import broken_promise, promises_static
from millpond.render.scopes.dynamic_use import DynamicUse, refusal, unasked_guard

if TYPE_CHECKING:
    from millpond.errors import Place
    from millpond.policy.compat import Compat
    from millpond.policy.segment import SegmentConfig
    from millpond.routes.route_contract import DeclaredInput, Operation, Route


class ModeReason(NamedTuple):
    """Why a route is static or live, as the build table and `explain` show it."""

    text: str
    place: Place | None = None

    def __str__(self) -> str:
        return self.text if self.place is None else f"{self.text} · {self.place}"


class Candidacy(NamedTuple):
    """Whether the build attempts shared renders of a route."""

    static: bool
    why: ModeReason
    broken_promise: str | None = None
    """Why the file can't mean what it says, a build error: an input contradicts `dynamic = "error"`, or a guard
    `dynamic = "force-static"`."""


def candidacy(route: Route, compat: Compat, *, cache_components: bool = False) -> Candidacy:
    """Whether the route's GET is a candidate for static, and why or why not.

    `dynamic = "error"` together with a declared input is a broken promise (R3.15), and so is `ensure_static()` in the
    code of a GET that is live.
    """
    get = route.operations.get("GET")
    if get is None:
        return Candidacy(False, ModeReason("no GET", None))
    found = _candidacy(route, get, compat, cache_components=cache_components)
    promise = None if found.static or found.broken_promise is not None else static_promise(get)
    return found if promise is None else found._replace(broken_promise=broken_promise(promise, found.why))


def static_promise(get: Operation) -> Place | None:
    """Where a GET is whose own code calls `ensure_static()`; None for every other one."""
    return get.place if promises_static(get.told.endpoint) else None


def _candidacy(route: Route, get: Operation, compat: Compat, *, cache_components: bool) -> Candidacy:
    refused = _refused(route, get)
    if refused is not None:
        return Candidacy(False, refused, _endless(route, get))
    wish = route.wish(compat, cache_components=cache_components)
    wanted = Candidacy(wish.static, ModeReason(wish.text, wish.place))
    if not wanted.static:
        return wanted
    return _unguarded(route, get, wanted) if route.config.forces_static else _undeclared(route, get, wanted)


def query_candidacy(route: Route) -> Candidacy:
    """Whether answers to the route's QUERY are stored, which `cache_query_body` asks for, and why or why not."""
    query = route.operations.get("QUERY")
    if query is None:
        return Candidacy(False, ModeReason("no QUERY", None))
    if not route.config.cache_query_body:
        return Candidacy(False, ModeReason("QUERY is live by default", query.place))
    config = route.config
    if config.forces_dynamic or config.never_cached or query.sends_events:
        return Candidacy(False, _refused(route, query) or ModeReason("live", query.place))
    return _undeclared(route, query, Candidacy(True, ModeReason("cache_query_body", route.place("cache_query_body"))))


def undeclarable(route: Route, get: Operation) -> DeclaredInput | None:
    """The first declared input that isn't part of the key; a guard is asked each time, as a token may be revoked."""
    body = get.method == "QUERY" and route.config.cache_query_body
    for each in get.declared:
        is_key = (body and each.kind in ("body", "form")) or _is_keyed(each, route.config)
        if each.guard is not None or not is_key:
            return each
    return None


def _is_keyed(declared: DeclaredInput, config: SegmentConfig) -> bool:
    """Whether what a signature asks for is part of the key."""
    if declared.kind == "query":
        return declared.name in config.cache_query
    if declared.kind == "header" and declared.name.lower() == HOST:
        return bool(config.cache_host)
    return declared.kind in ("header", "cookie") and config.varies_by(declared.kind, declared.name)


def _undeclared(route: Route, get: Operation, wanted: Candidacy) -> Candidacy:
    """`wanted`, unless the GET or a dependency of it declares an input that isn't part of the key."""
    needed = undeclarable(route, get)
    if needed is not None:
        place = needed.place or (get.place if needed.guard is None else needed.guard.place)
        broken = refusal(DynamicUse(needed.api, place)) if route.config.forbids_dynamic else None
        return Candidacy(False, ModeReason(f"declares {needed.api}", place), broken)
    is_unseen = get.method == "QUERY" or (bool(route.params) and route.lister is None)
    if is_unseen:  # the build sees none of its renders
        for guard in get.guards:
            if guard.takes_request:
                broken = refusal(DynamicUse(guard.name, guard.place)) if route.config.forbids_dynamic else None
                return Candidacy(False, ModeReason(f"{guard.name} takes the request", guard.place), broken)
    return wanted


def _unguarded(route: Route, get: Operation, wanted: Candidacy) -> Candidacy:
    """`wanted`, unless a guard would get the empty request of `force-static`, and let everybody through or nobody."""
    reads = [(needed.guard, needed.api) for needed in get.declared if needed.guard is not None]
    reads += [(guard, "the request") for guard in get.guards if guard.takes_request]
    if not reads:
        return wanted
    guard, read = reads[0]
    message = unasked_guard(guard.name, read, guard.place, route.place("dynamic"))
    return Candidacy(False, ModeReason(f"{guard.name} reads {read}", guard.place), message)


def _refused(route: Route, get: Operation) -> ModeReason | None:
    """What makes GET live whatever else its author says (R2.14, R2.16 to R2.18)."""
    config = route.config
    if config.forces_dynamic:
        return ModeReason('dynamic = "force-dynamic"', route.place("dynamic"))
    if config.never_cached:
        return ModeReason("revalidate = 0", route.place("revalidate"))
    if get.sends_events:
        return ModeReason("sends events as they happen", get.place)
    if get.streams and not config.opts_in:
        return ModeReason("streams its answer", get.place)
    return None


def _endless(route: Route, get: Operation) -> str | None:
    """Why `dynamic` can't hold for a stream of events."""
    if not get.sends_events or not (route.config.forces_static or route.config.forbids_dynamic):
        return None
    option = f'dynamic = "{route.config.dynamic}" ({route.place("dynamic")})'
    return f"{get.place}: GET sends events as they happen, so it is live; leave out {option}."
