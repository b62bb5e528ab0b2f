"""`cache.across_builds = "stale"`: what a former build has left is served once, if its route is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from millpond import revalidate_path, revalidate_tag, static
from millpond.stores.memory import MemoryStore
from ponds import Project, cache_of, client_of

if TYPE_CHECKING:
    from pathlib import Path

    from ponds import Running

pytestmark = pytest.mark.anyio

ITEM = """\
from millpond import cache_tag, fetch
from lib.texts import TEXT

revalidate = 60
calls = []


def generate_static_params():
    return [{"slug": "listed"}]


def GET(slug: str):
    calls.append(slug)
    if TEXT == "fails":
        raise ValueError("no")
    return f"{slug} {TEXT}"
"""
OTHER = """\
revalidate = 60


def generate_static_params():
    return []


def GET(name: str):
    return f"other {name}"
"""


@pytest.fixture
async def shop(project: Project) -> Project:
    """Built once, and asked for a path that the build didn't render."""
    project.config = {"cache": {"across_builds": "stale"}}
    project.store = MemoryStore(max_bytes=2**20, clock=project.clock)
    project.write({"lib/texts.py": "TEXT = 'first'\n"})
    project.routes({"/items/[slug]": ITEM, "/other/[name]": OTHER})
    async with project.serving() as running:
        assert await running.cache("/items/a") == "MISS"
        assert await running.cache("/other/a") == "MISS"
    project.clock.move(1)
    return project


async def detail(running: Running, path: str) -> str:
    """What Cache-Status says about a GET, without the name of the cache."""
    status: str = (await running.get(path)).headers["cache-status"]
    return status.removeprefix("Millpond; ")


async def test_a_former_builds_answer_is_served_as_stale_once_while_it_is_rendered_anew(shop: Project) -> None:
    async with shop.serving() as running:
        first = await running.get("/items/a")
        assert (first.json(), cache_of(first)) == ("a first", "STALE")
        assert first.headers["cache-status"] == "Millpond; hit; ttl=-1; detail=former-build"
        assert first.headers["cache-control"] == "private, no-cache, no-store, max-age=0, must-revalidate"
        await running.settle()
        assert running.module("/items/[slug]").calls == ["a"]
        assert await detail(running, "/items/a") == "hit; ttl=60; detail=fresh"


async def test_what_a_build_has_rendered_itself_is_a_hit(shop: Project) -> None:
    async with shop.serving() as running:
        assert await detail(running, "/items/listed") == "hit; ttl=60; detail=fresh"


async def test_a_changed_route_starts_cold_and_others_do_not(shop: Project) -> None:
    shop.write({"lib/texts.py": "TEXT = 'second'\n"})
    async with shop.serving() as running:
        answer = await running.get("/items/a")
        assert (answer.json(), cache_of(answer)) == ("a second", "MISS")
        assert await detail(running, "/other/a") == "hit; ttl=-1; detail=former-build"


async def test_a_removed_route_is_gone_and_comes_back_with_what_it_had(shop: Project) -> None:
    (shop.folder / "app/other/[name]/route.py").unlink()
    async with shop.serving() as running:
        assert (await running.get("/other/a")).status_code == 404
    shop.routes({"/other/[name]": OTHER})
    shop.clock.move(1)
    async with shop.serving() as running:
        assert await running.cache("/other/a") == "STALE"


async def test_by_default_a_new_build_starts_cold(shop: Project) -> None:
    shop.config = {}
    for expected in (["MISS", "HIT"], ["MISS", "HIT"]):
        async with shop.serving() as running:
            assert [await running.cache("/items/a"), await running.cache("/items/a")] == expected
        shop.clock.move(1)


async def test_nothing_lives_longer_than_its_own_expire(shop: Project) -> None:
    shop.config["expire_time"] = 3600
    async with shop.serving() as running:
        assert await running.cache("/items/a") == "MISS"
    shop.clock.move(3601)
    async with shop.serving() as running:
        assert await detail(running, "/items/a") == "fwd=stale; fwd-status=200; stored; detail=expired"


async def test_what_was_invalidated_while_the_former_build_ran_is_over(shop: Project) -> None:
    async with shop.started() as running:
        assert await running.cache("/items/b") == "MISS"
        revalidate_path("/items/a")
    shop.clock.move(1)
    async with shop.serving() as running:
        assert await detail(running, "/items/a") == "fwd=stale; fwd-status=200; stored; detail=tag"
        assert await detail(running, "/items/b") == "hit; ttl=-1; detail=former-build"


async def test_an_invalidation_ends_a_former_builds_answer_as_it_ends_any(shop: Project) -> None:
    async with shop.serving() as running:
        revalidate_path("/items/a")
        assert await running.cache("/items/a") == "MISS"


async def test_while_the_new_render_fails_the_former_answer_stays_and_the_next_try_waits(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shop.serving() as running:
        monkeypatch.setitem(vars(running.module("/items/[slug]")), "TEXT", "fails")
        assert await running.body("/items/a") == '"a first"'
        await running.settle()
        for _ in range(2):
            paused = await running.get("/items/a")
            assert (paused.json(), cache_of(paused)) == ("a first", "HIT")
            assert "detail=refresh-failed" in paused.headers["cache-status"]
        shop.clock.move(31)
        assert await detail(running, "/items/a") == "hit; ttl=-1; detail=former-build"


async def test_many_clients_at_once_start_one_render(shop: Project) -> None:
    async with shop.serving() as running:
        before = len(running.module("/items/[slug]").calls)
        for _ in range(5):
            assert await running.cache("/items/a") in ("STALE", "HIT")
        await running.settle()
        assert len(running.module("/items/[slug]").calls) == before + 1


async def test_each_of_several_former_builds_counts(shop: Project) -> None:
    for _ in range(3):
        await shop.built()
        shop.clock.move(1)
    async with shop.serving() as running:
        assert await running.cache("/items/a") == "STALE"


async def test_a_build_that_is_served_again_after_another_has_its_own_answers_back(
    shop: Project, tmp_path: Path
) -> None:
    first = shop.folder / ".millpond/build"
    first.rename(tmp_path / "first")
    shop.write({"lib/texts.py": "TEXT = 'second'\n"})
    async with shop.serving() as running:
        assert await running.body("/items/a") == '"a second"'
        await running.cache("/other/a")
        await running.settle()
    first.rename(tmp_path / "second")
    (tmp_path / "first").rename(first)
    shop.write({"lib/texts.py": "TEXT = 'first'\n"})
    async with shop.started() as running:
        own = await running.get("/items/a")
        assert (own.json(), cache_of(own)) == ("a first", "HIT")
        assert await running.cache("/other/a") == "HIT"  # a later build's is as good as its own


async def test_a_server_whose_files_are_not_the_builds_shares_nothing(
    shop: Project, caplog: pytest.LogCaptureFixture
) -> None:
    await shop.built()
    shop.write({"lib/texts.py": "TEXT = 'edited'\n"})
    pond = shop.pond()
    pond.isolated = False
    async with shop.started() as running:
        assert await running.body("/items/a") == '"a edited"'
    assert "so answers aren't shared with other builds (cache.across_builds)" in caplog.text
    shop.write({"lib/texts.py": "TEXT = 'first'\n"})
    shop.clock.move(1)
    async with shop.serving() as running:
        assert await running.body("/items/a") == '"a first"'


async def test_a_soft_invalidation_is_told_as_the_former_builds_answer_that_it_is(shop: Project) -> None:
    async with shop.serving() as running:
        revalidate_tag("unrelated", "max")
        revalidate_path("/other/a")
        assert await detail(running, "/items/a") == "hit; ttl=-1; detail=former-build"
        assert await running.cache("/other/a") == "MISS"


async def test_endpoints_declared_in_code_share_their_answers_too(project: Project) -> None:
    project.config = {"cache": {"across_builds": "stale"}}
    project.store = MemoryStore(max_bytes=2**20, clock=project.clock)
    project.routes({"/items/[slug]": OTHER.replace("name", "slug")})
    expected = iter(["MISS", "STALE"])
    for _ in range(2):
        pond = project.pond()

        @pond.get("/declared/{name}")
        @static(revalidate=60)
        def declared(name: str) -> str:
            return name

        assert (await pond.build()).failures == []
        async with pond.lifespan(), client_of(pond) as client:
            assert cache_of(await client.get("/declared/a")) == next(expected)
        project.clock.move(1)


async def test_cache_components_share_their_answers_too(project: Project) -> None:
    project.config = {"cache_components": True, "cache": {"across_builds": "stale"}}
    project.store = MemoryStore(max_bytes=2**20, clock=project.clock)
    project.routes(
        {
            "/items/[slug]": OTHER.replace("revalidate = 60\n", "")
            .replace("name", "slug")
            .replace("[]", "[{'slug': 'x'}]")
        }
    )
    for expected in ("MISS", "STALE"):
        async with project.serving() as running:
            assert await running.cache("/items/a") == expected
        project.clock.move(1)
