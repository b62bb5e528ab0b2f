"""cache_query: declared query parameters are part of the key, and all of the query that a static GET can see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from millpond import revalidate_path, revalidate_tag
from ponds import cache_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ponds import Project, Running

pytestmark = pytest.mark.anyio

LIST = """
from enum import StrEnum
from typing import Annotated
from fastapi import Query
from millpond import Request, cached
revalidate = 60
cache_query = ("page", "sort", "tag")
runs = 0
class Sort(StrEnum):
    UP = "up"
    DOWN = "down"
@cached(tags=["t"])
def data(): return 1
def GET(request: Request, page: int = 1, sort: Sort = Sort.UP, tag: Annotated[list[str], Query()] = []):
    global runs
    runs += 1
    data()
    return {"page": page, "sort": sort, "tag": tag, "all": str(request.query_params), "url": request.url.query}
"""


@pytest.fixture
async def running(project: Project) -> AsyncIterator[Running]:
    project.routes({"/list": LIST})
    async with project.started() as running:
        yield running


async def seen(running: Running, query: str) -> tuple[object, str | None]:
    answer = await running.get(f"/list{query}")
    return answer.json()["page"], cache_of(answer)


async def test_each_meaning_is_one_entry(running: Running) -> None:
    assert await seen(running, "?page=2&sort=down") == (2, "MISS")
    for spelling in ("?sort=down&page=2", "?page=2&sort=down&page=2", "?page=%32&sort=down", "?page=2&sort=down&utm=x"):
        assert await seen(running, spelling) == (2, "HIT")
    assert await seen(running, "?page=3") == (3, "MISS")
    assert running.module("/list").runs == 2


async def test_what_is_not_declared_can_not_be_seen(running: Running) -> None:
    answer = await running.get("/list?utm=evil&page=2&debug=1&PAGE=9")
    assert (answer.json()["all"], answer.json()["url"]) == ("page=2", "page=2")


async def test_without_a_query_there_is_one_more_entry(running: Running) -> None:
    assert [await seen(running, query) for query in ("", "?", "?utm=1", "?page=1")] == [
        (1, "MISS"),
        (1, "HIT"),
        (1, "HIT"),
        (1, "MISS"),
    ]


async def test_lists_keep_their_order(running: Running) -> None:
    first = (await running.get("/list?tag=a&tag=b")).json()
    second = (await running.get("/list?tag=b&tag=a")).json()
    assert (first["tag"], second["tag"]) == (["a", "b"], ["b", "a"])


async def test_of_several_values_a_handler_gets_the_last(running: Running) -> None:
    assert (await seen(running, "?page=1&page=2&page=1"))[0] == 1


@pytest.mark.parametrize("query", ["?page=x", "?sort=sideways", "?page="])
async def test_a_value_that_does_not_fit_is_422_and_not_stored(running: Running, query: str) -> None:
    for _ in range(2):
        answer = await running.get(f"/list{query}")
        assert (answer.status_code, cache_of(answer)) == (422, "MISS")
    assert list(running.pond.store.entries()) == []


async def test_a_bad_value_takes_no_good_entry_with_it(running: Running) -> None:
    await seen(running, "?page=2")
    await running.get("/list?page=x")
    assert await seen(running, "?page=2") == (2, "HIT")


async def test_the_number_of_variants_is_bounded_and_the_plain_path_stays(project: Project) -> None:
    project.routes({"/list": LIST})
    async with project.started(cache={"max_query_variants": 3}) as running:
        await seen(running, "")
        for page in range(20):
            await seen(running, f"?page={page}")
        entries = [entry for entry in running.pond.store.entries() if entry.kind == "response"]
        assert len(entries) == 4
        assert await seen(running, "") == (1, "HIT")
        assert await seen(running, "?page=19") == (19, "HIT")
        assert await seen(running, "?page=0") == (0, "MISS")


@pytest.mark.parametrize("purge", [lambda: revalidate_path("/list"), lambda: revalidate_tag("t")], ids=["path", "tag"])
async def test_a_purge_reaches_every_variant(running: Running, purge: object) -> None:
    assert callable(purge)
    queries = ["", "?page=1", "?page=2", "?tag=a&tag=b"]
    for query in queries:
        await seen(running, query)
    purge()
    assert [(await seen(running, query))[1] for query in queries] == ["MISS"] * 4


async def test_the_plain_path_is_built_and_variants_are_rendered_on_demand(project: Project) -> None:
    project.routes({"/list": LIST})
    async with project.serving() as running:
        assert await seen(running, "") == (1, "HIT")
        assert [await seen(running, "?page=2") for _ in range(2)] == [(2, "MISS"), (2, "HIT")]


async def test_head_and_conditional_requests_know_the_variant(running: Running) -> None:
    first = await running.get("/list?page=1")
    second = await running.get("/list?page=2")
    assert first.headers["etag"] != second.headers["etag"]
    head = await running.client.head("/list?page=2")
    assert (head.headers["etag"], head.content, cache_of(head)) == (second.headers["etag"], b"", "HIT")
    for query, status in (("?page=2", 304), ("?page=1", 200)):
        answer = await running.get(f"/list{query}", headers={"if-none-match": second.headers["etag"]})
        assert answer.status_code == status


async def test_each_variant_ages_by_itself(project: Project, running: Running) -> None:
    await seen(running, "?page=1")
    project.clock.move(50)
    await seen(running, "?page=2")
    project.clock.move(11)
    assert [(await seen(running, f"?page={page}"))[1] for page in (1, 2)] == ["STALE", "HIT"]
    await running.settle()


async def test_without_cache_query_the_query_is_no_part_of_the_key(project: Project) -> None:
    project.routes({"/": "revalidate = 60\ndef GET(): return 1"})
    async with project.started() as running:
        assert [await running.cache(path) for path in ("/?page=1", "/?page=2")] == ["MISS", "HIT"]
