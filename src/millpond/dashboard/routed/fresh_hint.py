"""How a live route could be answered from the store: what its file would have to say, or what stands in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from millpond.prerender.plan import Plan

_LIFETIME = "revalidate = 3_600"


class FreshHint(NamedTuple):
    """What to change, and what that means."""

    text: str
    added: tuple[str, ...] = ()
    """Lines of the route's file."""
    removed: tuple[str, ...] = ()


def fresh_hint(plan: Plan, *, cache_components: bool) -> FreshHint | None:
    """The hint for a route; None: it is stored already, or has no GET."""
    route = plan.route
    get = route.operations.get("GET")
    if plan.static or get is None:
        return None
    if get.sends_events:
        return FreshHint("It sends events as they happen, so each client has a stream of its own. It stays live.")
    others = [each for each in get.declared if each.kind != "query" or each.guard is not None]
    if others:
        listed = ", ".join(dict.fromkeys(each.api for each in others[:5]))
        return FreshHint(
            f"It declares {listed}, which differs between clients, so there is no answer for everybody. Move what is "
            "the same for all into a cached function: the route stays live, and its data is kept."
        )
    if cache_components:
        return FreshHint("What it waits for must be in cached functions; then the build renders it.", ("@cached",))
    removed = ('dynamic = "force-dynamic"',) if route.config.forces_dynamic else ()
    if route.config.revalidate == 0 and route.config.revalidate is not False:
        removed = (*removed, "revalidate = 0")
    names = list(dict.fromkeys(each.name for each in get.declared))
    if names:
        listed = ", ".join(f'"{name}"' for name in names)
        query = f"cache_query = ({listed}{',' if len(names) == 1 else ''})"
        return FreshHint(
            f"One answer for each {' and '.join(names)} instead of one for each request. Nothing else of the request "
            "is declared.",
            (_LIFETIME, query),
            removed,
        )
    text = "One answer an hour for everybody instead of one for each request. Nothing of the request is declared."
    return FreshHint(text, (_LIFETIME,), removed)
