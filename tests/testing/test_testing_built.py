"""Tests of the real build: read, and copied into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tested_project import File

from millpond import Millpond
from millpond.errors import BuildError
from millpond.routes.imports import forget
from millpond.stores.memory import MemoryStore
from millpond.testing import AsyncTestClient, TestClient, assert_hit, assert_live, assert_miss, assert_stale

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

ROUTES = {
    "/": "revalidate = 60\nrow = 'built'\ndef GET(): return row\n",
    "/turned": """
        import os
        from millpond import headers
        revalidate = 60
        def GET(): return headers()["user-agent"]
        """,
    "/items/[id]": """
        revalidate = 60
        def generate_static_params(): return [{"id": "1"}]
        def GET(id: str): return id
        """,
}


def files_of(project: Project) -> dict[str, File]:
    files = (path for path in (project.folder / ".millpond").rglob("*") if path.is_file())
    return {path.name: File(path.read_bytes(), path.stat().st_mtime_ns) for path in files}


async def test_the_build_is_served_and_stays_as_it_is(project: Project) -> None:
    project.routes(ROUTES)
    await project.built()
    before = files_of(project)
    app = Millpond(project.folder / "app")
    app.file_routes[0].module.module.__dict__["row"] = "test's"
    async with AsyncTestClient(app, use_build=True) as client:
        client.clock.now = project.clock.now
        assert assert_hit(await client.get("/")).json() == "built"
        assert_hit(await client.get("/items/1"))
        assert_miss(await client.get("/items/2"))
        assert_live(await client.get("/turned"))
        assert str(await client.why_live("/turned")) == "headers() · app/turned/route.py:5"
        client.clock.move(61)
        assert assert_stale(await client.get("/")).json() == "built"
        assert assert_hit(await client.get("/")).json() == "test's"
        await client.clear()
        assert assert_stale(await client.get("/")).json() == "built"
    assert files_of(project) == before


@pytest.mark.parametrize("starts", [True, False])
async def test_an_invalidation_before_the_first_request_counts(project: Project, starts: bool) -> None:
    project.routes(ROUTES)
    await project.built()
    client = AsyncTestClient(Millpond(project.folder / "app"), use_build=True)
    client.clock.now = project.clock.now + 1
    if starts:
        assert_hit(await client.get("/"))
    client.invalidate(paths="/")
    assert_miss(await client.get("/"))
    assert_hit(await client.get("/items/1"))


async def test_files_are_executed_before_the_first_request_and_keep_no_mock_of_a_later_patch(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.routes({"/": "from shop import price\ndef GET(request): return [price(), *request.headers.keys()][:1]\n"})
    project.write({"shop.py": "def price(): return 3\n"})
    await Millpond(project.folder / "app").build()
    forget(project.folder)
    async with AsyncTestClient(Millpond(project.folder / "app"), use_build=True) as client:
        with monkeypatch.context() as patch:
            patch.setattr("shop.price", lambda: 0)
            assert (await client.get("/")).json() == [3]
        assert (await client.get("/")).json() == [3]


def test_a_build_that_is_not_there_is_an_error(project: Project) -> None:
    project.routes(ROUTES)
    client = TestClient(Millpond(project.folder / "app"), use_build=True)
    with pytest.raises(BuildError, match=r"^there is no build in .*project for the test; run `millpond build` before"):
        client.get("/")
    with pytest.raises(BuildError, match="there is no build"), client:
        pass


async def test_a_build_of_other_files_is_an_error(project: Project) -> None:
    project.routes(ROUTES)
    await project.built()
    project.routes({"/added": "def GET(): return 1\n"})
    with pytest.raises(BuildError, match=r"^app/added/route.py was added after the build"):
        await AsyncTestClient(Millpond(project.folder / "app"), use_build=True).get("/")


@pytest.mark.parametrize("isolated", [None, False])
async def test_without_being_told_the_build_is_not_looked_at(project: Project, isolated: bool | None) -> None:
    project.routes(ROUTES)
    await project.built()
    project.routes({"/added": "def GET(): return 1\n"})
    (project.folder / ".millpond" / "manifest.json").write_text("damaged")
    app = Millpond(project.folder / "app", store=(store := MemoryStore(max_bytes=2**20, clock=project.clock)))
    app.isolated = isolated
    assert_miss(await AsyncTestClient(app).get("/"))
    assert list(store.entries()) == []
