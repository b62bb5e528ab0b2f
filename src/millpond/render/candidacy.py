"""Whether a GET is a candidate for static: what its file says, before anything has run (A.1, classic model)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

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
    broken_promise: bool = False
    """A declared input contradicts `dynamic = "error"`: a build error, not a live route."""


def candidacy(route: Route, compat: Compat, *, cache_components: bool = False) -> Candidacy:
    """Whether the route's GET is a candidate for static, and why or why not.

    `dynamic = "error"` together with a declared input is a broken promise (R3.15).
    """
    get = route.operations.get("GET")
    if get is None:
        return Candidacy(False, ModeReason("no GET", None))
    refused = _refused(route, get)
    if refused is not None:
        return Candidacy(False, refused)
    wanted = _wanted_by_all(route) if cache_components else _wanted(route, compat)
    if not wanted.static or route.config.forces_static:
        return wanted
    for needed in get.declared:
        if needed.kind == "query" and needed.name in route.config.cache_query:
            continue  # it is part of the key
        why = ModeReason(f"declares {needed.api}", get.place)
        return Candidacy(False, why, broken_promise=route.config.forbids_dynamic)
    return wanted


def _refused(route: Route, get: Operation) -> ModeReason | None:
    """What makes GET live whatever else the file says (R2.14, R2.16 to R2.18)."""
    module, config = route.module, route.config
    if config.forces_dynamic:
        return ModeReason('dynamic = "force-dynamic"', module.place("dynamic"))
    if config.never_cached:
        return ModeReason("revalidate = 0", module.place("revalidate"))
    if get.streams and not config.opts_in:
        return ModeReason("streams its answer", get.place)
    return None


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
