"""The private name of Starlette's test client that Millpond uses, and the fallback without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.internals.private_name import PrivateName, tell_unknown

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

PORTAL = PrivateName(
    "starlette.testclient",
    "TestClient.portal",
    "further visitors of a test client have event loops of their own, and can't use what the lifespan has connected",
)
NAMES = (PORTAL,)


def share_loop(client: TestClient, visitor: TestClient) -> None:
    """Have a client's requests run in the event loop of another's lifespan, if there is one."""
    tell_unknown(NAMES)
    if PORTAL.is_known:
        visitor.portal = client.portal
