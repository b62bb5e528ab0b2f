"""Sentry's own SDK with a transport that keeps what it would send; for a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sentry_sdk
from sentry_sdk.transport import Transport

if TYPE_CHECKING:
    from sentry_sdk.envelope import Envelope

_kept: list[dict[str, Any]] = []


class Kept(Transport):
    """Keeps events and transactions in place of sending them."""

    def capture_envelope(self, envelope: Envelope) -> None:
        _kept.extend(item.payload.json for item in envelope.items if item.payload.json is not None)


def begin(**options: Any) -> None:
    """What an application does at its start."""
    sentry_sdk.init(dsn="http://key@127.0.0.1:1/1", transport=Kept, traces_sample_rate=1.0, **options)


def reported() -> list[dict[str, Any]]:
    """What was sent since the last call."""
    events = list(_kept)
    _kept.clear()
    return events


def told(event: dict[str, Any], base: str) -> dict[str, Any]:
    """What somebody who looks into an event goes by; without `base`, the address of the server."""
    request, trace = event.get("request", {}), event.get("contexts", {}).get("trace", {})
    return {
        "type": event.get("type", "error"),
        "name": event.get("transaction", "").removeprefix(base),
        "source": event.get("transaction_info", {}).get("source"),
        "request": [request.get("method"), request.get("url", "").removeprefix(base), request.get("query_string")],
        "operation": trace.get("op"),
        "status": trace.get("status"),
        "user": event.get("user"),
        "tags": event.get("tags"),
        "message": event.get("message"),
        "errors": [each["value"] for each in event.get("exception", {}).get("values", [])],
        "mechanisms": [each["mechanism"] for each in event.get("exception", {}).get("values", [])],
    }
