"""What the configuration answers: redirects, the endpoints for webhooks, and probes of readiness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.config import Config, RevalidateEndpointConfig

REDIRECT = "→"


def configured_routes(config: Config) -> Iterator[dict[str, Any]]:
    """As `millpond routes` has them about a route file; redirects come before every route, whatever the method."""
    for redirect in config.redirects:
        why = f"{redirect.status} to {redirect.destination}"
        yield _facts(redirect.source, [], "redirect", REDIRECT, f"[[redirects]]: {why}")
    for endpoint in config.revalidate_endpoint:
        yield _facts(endpoint.path, ["POST"], "live", "λ", why_endpoint(endpoint))
    if config.server.ready_path is not None:
        yield _facts(config.server.ready_path, ["GET", "HEAD"], "live", "λ", "[server] ready_path")


def why_endpoint(endpoint: RevalidateEndpointConfig) -> str:
    """What says that there is an endpoint, and whose calls it takes."""
    return "[revalidate_endpoint]" + ("" if endpoint.preset is None else f', preset = "{endpoint.preset}"')


def _facts(pattern: str, methods: list[str], mode: str, glyph: str, why: str) -> dict[str, Any]:
    return {
        "pattern": pattern,
        "methods": methods,
        "file": None,
        "mode": mode,
        "glyph": glyph,
        "why": why,
        "place": None,
        "by": "configuration",
    }
