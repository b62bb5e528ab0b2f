"""FastAPI's own TestClient on an application: what it leaves behind for the next one."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
import pytest
from fastapi.testclient import TestClient

from millpond import Millpond

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    from ponds import Project

CACHED = """
from millpond import cached
revalidate = 60
calls = []
@cached
async def number():
    calls.append(1)
    return len(calls)
async def GET(): return await number()
"""


def test_data_that_a_former_lifespan_has_cached_is_gone(project: Project) -> None:
    project.routes({"/": CACHED})
    app = Millpond(project.folder / "app")
    for number in (1, 2):
        with TestClient(app) as client:
            assert [client.get("/").json() for _ in range(2)] == [number] * 2


def test_the_state_of_a_lifespan_ends_with_it(project: Project) -> None:
    project.routes(
        {"/": "revalidate = 60\nfrom fastapi import Request\ndef GET(request: Request): return request.state.name\n"}
    )

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        yield {"name": "open"}

    app = Millpond(project.folder / "app", lifespan=life)
    with TestClient(app) as client:
        assert client.get("/").json() == "open"
    with pytest.raises(AttributeError, match="name"):
        TestClient(app).get("/")


def test_an_application_that_was_tested_serves_its_build_afterwards(project: Project) -> None:
    """In one process, as in a notebook: a runtime of a test is no other one's."""
    project.routes({"/": "revalidate = 3600\ndef GET(): return 1\n"})
    asyncio.run(project.built())
    app = Millpond(project.folder / "app", config=project.pond().config, clock=project.clock)
    assert TestClient(app).get("/").headers["x-nextjs-cache"] == "MISS"
    app.isolated = False

    async def served() -> str:
        transport = httpx2.ASGITransport(app=app)
        async with app.lifespan(), httpx2.AsyncClient(transport=transport, base_url="http://shop.example") as client:
            return str((await client.get("/")).headers["x-nextjs-cache"])

    assert asyncio.run(served()) == "HIT"
