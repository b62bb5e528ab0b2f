"""Invalidate from anywhere: workers, scripts, other services. The application isn't loaded, nor is FastAPI."""

from millpond.client.awaited_client import AsyncClient
from millpond.client.blocking_client import Client
from millpond.client.default_client import (
    arevalidate,
    arevalidate_path,
    arevalidate_tag,
    aupdate_tag,
    configure,
    revalidate,
    revalidate_path,
    revalidate_tag,
    update_tag,
)
from millpond.client.reached import Reached
from millpond.errors import UnreachedError

__all__ = [
    "AsyncClient",
    "Client",
    "Reached",
    "UnreachedError",
    "arevalidate",
    "arevalidate_path",
    "arevalidate_tag",
    "aupdate_tag",
    "configure",
    "revalidate",
    "revalidate_path",
    "revalidate_tag",
    "update_tag",
]
