"""Whether a GET is a candidate for static: what its file says, before anything has run (A.1, classic model)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from millpond.errors import Place
    from millpond.policy.compat import Compat
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
    wish = route.wish(compat, cache_components=cache_components)
    wanted = Candidacy(wish.static, ModeReason(wish.text, wish.place))
    if not wanted.static or route.config.forces_static:
        return wanted
    needed = undeclarable(route, get)
    if needed is None:
        return wanted
    why = ModeReason(f"declares {needed.api}", needed.place or get.place)
    return Candidacy(False, why, broken_promise=route.config.forbids_dynamic)


def undeclarable(route: Route, get: Operation) -> DeclaredInput | None:
    """The first declared input that isn't part of the key."""
    known = route.config.cache_query
    return next((each for each in get.declared if each.kind != "query" or each.name not in known), None)


def _refused(route: Route, get: Operation) -> ModeReason | None:
    """What makes GET live whatever else its author says (R2.14, R2.16 to R2.18)."""
    config = route.config
    if config.forces_dynamic:
        return ModeReason('dynamic = "force-dynamic"', route.place("dynamic"))
    if config.never_cached:
        return ModeReason("revalidate = 0", route.place("revalidate"))
    if get.streams and not config.opts_in:
        return ModeReason("streams its answer", get.place)
    return None
