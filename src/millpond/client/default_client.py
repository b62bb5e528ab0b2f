"""The client of the module's functions: as the environment and the working directory say, or as it was configured."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from millpond.client.awaited_client import AsyncClient
from millpond.client.blocking_client import RETRIES, TIMEOUT, Client
from millpond.client.found import PROJECT, SECRET, URL
from millpond.client.store_way import PURGE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millpond.cache.invalidation_order import Expiry
    from millpond.client.reached import Reached
    from millpond.routes.naming.named_path import PathType

_configured: list[tuple[Client, AsyncClient]] = []
"""One pair, or none."""


def configure(
    project: str | os.PathLike[str] | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    timeout: float = TIMEOUT,
    retries: int = RETRIES,
    purge_timeout: float = PURGE_SECONDS,
) -> None:
    """Say where the functions of this module find the cache; the arguments are those of `Client`.

    Without any, it is as if it had not been called. It is for the whole process.
    """
    options = {"url": url, "secret": secret, "timeout": timeout, "retries": retries, "purge_timeout": purge_timeout}
    blocking, awaited = Client(project, **options), AsyncClient(project, **options)  # type: ignore[arg-type]
    _configured[:] = [(blocking, awaited)]


def revalidate_tag(
    tag: str, profile: str | Expiry | None = None, *, expire: float | None = None, host: str | None = None
) -> Reached:
    """Invalidate every answer and all data with `tag`; see `Client.revalidate_tag`."""
    return _clients()[0].revalidate_tag(tag, profile, expire=expire, host=host)


def update_tag(tag: str, *, host: str | None = None) -> Reached:
    """Invalidate every answer and all data with `tag`; see `Client.update_tag`."""
    return _clients()[0].update_tag(tag, host=host)


def revalidate_path(path: str, /, type: PathType | None = None, **params: object) -> Reached:  # noqa: A002 - the original's name
    """Invalidate the answers of a path or of a pattern; see `Client.revalidate_path`."""
    return _clients()[0].revalidate_path(path, type, **params)


def revalidate(
    *,
    tags: Sequence[str] = (),
    paths: Sequence[str] = (),
    type: PathType | None = None,  # noqa: A002 - as above
    profile: str | Expiry | None = None,
    expire: float | None = None,
    host: str | None = None,
) -> Reached:
    """Invalidate several tags and paths in one call; see `Client.revalidate`."""
    return _clients()[0].revalidate(tags=tags, paths=paths, type=type, profile=profile, expire=expire, host=host)


async def arevalidate_tag(
    tag: str, profile: str | Expiry | None = None, *, expire: float | None = None, host: str | None = None
) -> Reached:
    """`revalidate_tag`, to await."""
    return await _clients()[1].revalidate_tag(tag, profile, expire=expire, host=host)


async def aupdate_tag(tag: str, *, host: str | None = None) -> Reached:
    """`update_tag`, to await."""
    return await _clients()[1].update_tag(tag, host=host)


async def arevalidate_path(path: str, /, type: PathType | None = None, **params: object) -> Reached:  # noqa: A002 - as above
    """`revalidate_path`, to await."""
    return await _clients()[1].revalidate_path(path, type, **params)


async def arevalidate(
    *,
    tags: Sequence[str] = (),
    paths: Sequence[str] = (),
    type: PathType | None = None,  # noqa: A002 - as above
    profile: str | Expiry | None = None,
    expire: float | None = None,
    host: str | None = None,
) -> Reached:
    """`revalidate`, to await."""
    return await _clients()[1].revalidate(tags=tags, paths=paths, type=type, profile=profile, expire=expire, host=host)


def _clients() -> tuple[Client, AsyncClient]:
    if _configured:
        return _configured[0]
    return _default(os.getcwd(), *map(os.environ.get, (URL, PROJECT, SECRET)))


@lru_cache(maxsize=1)
def _default(folder: str, url: str | None, project: str | None, secret: str | None) -> tuple[Client, AsyncClient]:
    """Those that find out by themselves; they do so again where one of the arguments has changed."""
    del folder, url, project, secret
    return Client(), AsyncClient()
