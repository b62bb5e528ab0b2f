"""A project that is served in this process, beside code that invalidates from outside of it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from millpond import Millpond
from ponds import client_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx2

    from ponds import Project

ROUTES = {
    "/": """
        from millpond import cached

        revalidate = 3600

        @cached(tags=["stock"])
        async def count():
            return 7

        async def GET():
            return await count()
        """,
    "/items/[id]": """
        revalidate = 3600

        def generate_static_params():
            return [{"id": "1"}, {"id": "a/b"}]

        def GET(id: str):
            return id
        """,
}


@asynccontextmanager
async def served(project: Project, config: str = "", *, builds: bool = True) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a server of the project, as it is built."""
    project.routes(ROUTES)
    project.write({"millpond.toml": config})
    pond = Millpond(project.folder / "app")
    pond.isolated = False  # as a server's process
    if builds:
        assert not (await pond.build()).failures
        pond = Millpond(project.folder / "app")
        pond.isolated = False
    async with pond.lifespan(), client_of(pond) as client:
        yield client


async def seen(client: httpx2.AsyncClient, path: str) -> str:
    """What the cache says to a request."""
    return (await client.get(path)).headers["x-nextjs-cache"]
