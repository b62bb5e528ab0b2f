"""Forty bugs that other caches had to fix, and where the tests are that keep them away.

Keys: 1 policy/test_policy_key, test_policy_query · 2 cache/test_cache_functions_arguments · 3 here · 4 here, and
cache/test_cache_responses_together · 5 policy/test_policy_key, cache/test_cache_functions_arguments · 6
policy/test_policy_query, cache/test_cache_query · 7 here, serve/test_serve_paths, cache/test_cache_invalidate_paths ·
8 here.
Storability: 9, 10, 11 policy/test_policy_storing, test_policy_headers, cache/test_cache_responses · 12
cache/test_cache_responses_turned, cache/test_cache_fetch · 13 cache/test_cache_responses_turned,
cache/test_cache_fetch, cache/test_cache_functions · 14 render/test_render_dynamic_use.
Freshness: 15 policy/test_policy_freshness, cache/test_cache_fetch, test_reliability_machine · 16 here · 17
cache/test_cache_responses, cache/test_cache_fetch_shared · 18 policy/test_policy_freshness, cache/test_cache_data ·
19 policy/test_policy_freshness · 20 policy/test_policy_headers, cache/test_cache_responses.
Single flight: 21, 26 cache/test_cache_flight, test_cache_functions_threads · 22 cache/test_cache_flight,
test_cache_lease · 23 cache/test_cache_responses_together · 24 cache/test_cache_responses_turned, test_cache_data · 25
here.
Purge: 27 cache/test_cache_invalidate_races, test_reliability_machine · 28 stores/test_store_lmdb_processes · 29
cache/test_cache_query, cache/test_cache_invalidate_paths · 30 cache/test_cache_invalidate_races · 31
stores/test_store_memory · 32 stores/test_store_lmdb_processes · 33 here.
HTTP: 34 to 40 policy/test_policy_conditional, test_policy_headers, test_policy_storing,
serve/test_serve_revalidation.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from millpond import revalidate_path, revalidate_tag
from millpond.stores.memory import MemoryStore
from ponds import cache_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

COUNTING = """
revalidate = 10
runs = 0
def generate_static_params(): return []
def GET(id: str):
    global runs
    runs += 1
    return [id, runs]
"""
PLAIN = COUNTING.replace("GET(id: str)", "GET()").replace("[id, runs]", "runs")


async def test_a_host_that_a_render_can_not_see_makes_no_second_entry(project: Project) -> None:
    """3: the authority is no part of the key, and so no part of the answer either."""
    source = "from millpond import Request\nrevalidate = 10\ndef GET(request: Request): return request.url.netloc"
    project.routes({"/": source})
    async with project.started() as running:
        first = await running.get("/", headers={"host": "evil.example"})
        second = await running.get("/", headers={"host": "shop.example"})
        assert (first.text, cache_of(second)) == (second.text, "HIT")
        assert "evil" not in first.text


async def test_a_head_that_comes_first_leaves_a_whole_answer_for_get(project: Project) -> None:
    """4."""
    project.routes({"/": PLAIN})
    async with project.started() as running:
        head = await running.client.head("/")
        answer = await running.get("/")
        assert (head.content, answer.json(), cache_of(answer)) == (b"", 1, "HIT")


@pytest.mark.parametrize("spelling", ["/a%2Fb", "/a%2fb", "/%61%2Fb"])
async def test_every_spelling_of_a_path_is_one_entry_and_one_purge(project: Project, spelling: str) -> None:
    """7."""
    project.routes({"/[id]": COUNTING})
    async with project.started() as running:
        assert (await running.get("/a%2Fb")).json() == ["a/b", 1]
        assert await running.cache(spelling) == "HIT"
        revalidate_path(spelling)
        assert await running.cache("/a%2Fb") == "MISS"


@pytest.mark.parametrize("name", ["__class__", "constructor", "__proto__", "None", "..a", "-", "~"])
async def test_names_that_objects_have_are_ordinary_parameters(project: Project, name: str) -> None:
    """8."""
    project.routes({"/[id]": COUNTING})
    async with project.started() as running:
        assert (await running.get(f"/{name}")).json() == [name, 1]
        assert await running.cache(f"/{name}") == "HIT"
        revalidate_path(f"/{name}")
        assert await running.cache(f"/{name}") == "MISS"


async def test_an_entry_that_was_put_back_is_as_old_as_it_was(project: Project) -> None:
    """16: evicted, and loaded again from somewhere slower."""
    project.routes({"/": PLAIN})
    async with project.started() as running:
        await running.get("/")
        entry = running.entry("/")
        assert entry is not None
        project.clock.move(9)
        await running.pond.store.remove(entry.key)
        await running.pond.store.commit(entry)
        assert (await running.get("/")).headers["age"] == "9"
        project.clock.move(2)
        assert await running.cache("/") == "STALE"
        await running.settle()


async def test_those_who_waited_find_the_answer_at_hand_next_time(project: Project) -> None:
    """25."""
    project.routes({"/": PLAIN})
    async with project.started() as running:
        tasks = [asyncio.create_task(running.get("/")) for _ in range(5)]
        await asyncio.gather(*tasks)
        assert [await running.cache("/") for _ in range(3)] == ["HIT"] * 3


class Unreachable(MemoryStore):
    """A store whose place of keeping has gone away."""

    def invalidate(self, tags: object, *, expire_after: float | None = 0) -> int:
        raise OSError("the store can't be reached")


async def test_a_purge_that_reaches_no_store_is_an_error_and_no_silent_success(project: Project) -> None:
    """33."""
    project.routes({"/": PLAIN})
    async with project.started() as running:
        assert running.pond._runtimes.first is not None
        running.pond._runtimes.first.data.store = Unreachable(max_bytes=1, clock=project.clock)
        with pytest.raises(OSError, match="can't be reached"):
            revalidate_tag("t")
        with pytest.raises(OSError, match="can't be reached"):
            revalidate_path("/")
