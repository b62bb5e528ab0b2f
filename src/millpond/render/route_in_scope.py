"""The keys of an ASGI scope that say which route answers, as FastAPI's router sets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millpond.internals.fastapi_names import INCLUSION_KEYS

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from millpond.routes.route_contract import ToldRoute


def say_route(asgi: MutableMapping[str, Any], told: ToldRoute) -> None:
    """Put a route, its endpoint, and FastAPI's record of its inclusion into a scope."""
    asgi["route"], asgi["endpoint"], _, inclusion = told
    if inclusion is not None:
        outer, inner = INCLUSION_KEYS
        asgi[outer] = {**asgi.get(outer, {}), inner: inclusion}
