"""Whether a GET is a candidate for static: what its file says, before anything has run (A.1, classic model)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from millpond.render.scopes.dynamic_use import DynamicUse, refusal, unasked_guard

if TYPE_CHECKING:
    from millpond.errors import Place
    from millpond.policy.compat import Compat
    from millpond.routes.operation import Operation
    from millpond.routes.route import Route


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

    `dynamic = "error"` together with a declared input is a broken promise (R3.15).
    """
    get = route.operations.get("GET")
    if get is None:
        return Candidacy(False, ModeReason("no GET", None))
    refused = _refused(route, get)
    if refused is not None:
        return Candidacy(False, refused, _endless(route, get))
    wanted = _wanted_by_all(route) if cache_components else _wanted(route, compat)
    if not wanted.static:
        return wanted
    return _unguarded(route, get, wanted) if route.config.forces_static else _undeclared(route, get, wanted)


def _undeclared(route: Route, get: Operation, wanted: Candidacy) -> Candidacy:
    """`wanted`, unless the GET or a dependency of it declares an input that isn't part of the key."""
    for needed in get.declared:
        if needed.kind == "query" and needed.name in route.config.cache_query and needed.guard is None:
            continue  # it is part of the key; but a guard is asked each time, as a token may be revoked
        place = get.place if needed.guard is None else needed.guard.place
        broken = refusal(DynamicUse(needed.api, place)) if route.config.forbids_dynamic else None
        return Candidacy(False, ModeReason(f"declares {needed.api}", place), broken)
    if route.params and route.module.generate_static_params is None:  # the build sees none of its renders
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
    message = unasked_guard(guard.name, read, guard.place, route.module.place("dynamic"))
    return Candidacy(False, ModeReason(f"{guard.name} reads {read}", guard.place), message)


def _refused(route: Route, get: Operation) -> ModeReason | None:
    """What makes GET live whatever else the file says (R2.14, R2.16 to R2.18)."""
    module, config = route.module, route.config
    if config.forces_dynamic:
        return ModeReason('dynamic = "force-dynamic"', module.place("dynamic"))
    if config.never_cached:
        return ModeReason("revalidate = 0", module.place("revalidate"))
    if get.sends_events:
        return ModeReason("sends events as they happen", get.place)
    if get.streams and not config.opts_in:
        return ModeReason("streams its answer", get.place)
    return None


def _endless(route: Route, get: Operation) -> str | None:
    """Why `dynamic` can't hold for a stream of events."""
    if not get.sends_events or not (route.config.forces_static or route.config.forbids_dynamic):
        return None
    option = f'dynamic = "{route.config.dynamic}" ({route.module.place("dynamic")})'
    return f"{get.place}: GET sends events as they happen, so it is live; leave out {option}."


def _wanted_by_all(route: Route) -> Candidacy:
    """With Cache Components no opt-in is needed, but parameters must be listed (R3.3, R9.11)."""
    if route.params and route.module.generate_static_params is None:
        return Candidacy(False, ModeReason("has parameters, and no generate_static_params"))
    return Candidacy(True, ModeReason("ends without waiting, and without request data"))


def _wanted(route: Route, compat: Compat) -> Candidacy:
    module, config = route.module, route.config
    if route.file.is_answer:
        return Candidacy(True, ModeReason("a file, served as it is"))
    listed = module.generate_static_params is not None
    if route.params and not listed:
        return _wanted_on_demand(route)
    if config.forces_static or config.forbids_dynamic:
        return Candidacy(True, ModeReason(f'dynamic = "{config.dynamic}"', module.place("dynamic")))
    if config.opts_in:
        return Candidacy(True, ModeReason(f"revalidate = {config.revalidate}", module.place("revalidate")))
    if route.file.static_by_default:
        return Candidacy(True, ModeReason("metadata files are static by default"))
    if listed:
        return Candidacy(True, ModeReason("generate_static_params", module.place("generate_static_params")))
    if compat.get_is_static_by_default:
        return Candidacy(True, ModeReason(f"GET is static by default (compat {compat})"))
    return Candidacy(False, ModeReason(f"GET is live by default (compat {compat})"))


def _wanted_on_demand(route: Route) -> Candidacy:
    """A parameterised route without `generate_static_params` (R3.4; a time-based one opts in, D17)."""
    module, config = route.module, route.config
    if config.forces_static or config.forbids_dynamic:
        return Candidacy(True, ModeReason(f'dynamic = "{config.dynamic}"', module.place("dynamic")))
    if config.revalidate:
        return Candidacy(True, ModeReason(f"revalidate = {config.revalidate}", module.place("revalidate")))
    return Candidacy(False, ModeReason("has parameters, and no generate_static_params"))
