"""The pages about tags and data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace
from operated_project import NOW, Operation
from page_text import PageText
from test_dashboard_entries import answer, fetched

from millpond.dashboard.stored import census as counted
from millpond.policy.key import data_key
from millpond.telemetry.instruments import FUNCTION_FILLS, UPSTREAM_CALLS
from millpond.telemetry.journal import Event

if TYPE_CHECKING:
    from pathlib import Path

    from millpond.policy.entry import Entry

pytestmark = pytest.mark.anyio


@pytest.fixture
def operation(tmp_path: Path) -> Operation:
    return Operation(tmp_path, development=True)


def tagged(path: str, *tags: str, **changes: object) -> Entry:
    entry = answer(path)
    changes = {"revalidate": 3600.0, **changes}
    return replace(entry, tags=(*tags, *(tag for tag in entry.tags if tag.startswith("\0"))), **changes)


async def invalidate(operation: Operation, tag: str, *, hard: bool, ago: float = 5) -> None:
    generation = operation.store.invalidate([tag], expire_after=0 if hard else None)
    event = Event(
        at=operation.clock.now - ago,
        kind="invalidation",
        text=f"Tag {tag} invalidated",
        tags=(tag,),
        generation=generation,
        hard=hard,
        origin="cli",
        name="ops",
    )
    operation.counting.journal.note(event)


async def page_of(operation: Operation, path: str, status: int = 200) -> PageText:
    async with operation.client() as client:
        found = await client.get(f"/_millpond/{path}")
        assert found.status_code == status
        return PageText(found.text)


async def rows_of(operation: Operation, path: str = "tags") -> dict[str, list[str]]:
    operation.clock.now += counted.KEPT_SECONDS + 1
    page = await page_of(operation, path)
    return {row[0]: row[1:] for row in page.rows[1:]}


async def test_without_tags_the_page_says_what_would_be_here(operation: Operation) -> None:
    assert "Nothing has a tag yet" in (await page_of(operation, "tags")).text


async def test_a_tag_says_what_has_it_and_what_its_invalidation_has_reached(operation: Operation) -> None:
    for number in range(3):
        await operation.store.commit(tagged(f"/items/{number}", "items", "all"))
    await operation.store.commit(tagged("/other", "all"))
    rows = await rows_of(operation)
    assert rows["all"][:2] == ["4", "\N{EN DASH}"]
    assert rows["items"][2] == "never"
    await invalidate(operation, "items", hard=False)
    rows = await rows_of(operation)
    assert rows["items"][:2] == ["3", "3"]
    assert rows["items"][3:6] == ["CLI, ops", "soft", "1"]
    assert rows["items"][7] == "nothing"
    assert rows["all"][:2] == ["4", "3"]
    await operation.store.commit(tagged("/items/0", "items", rendered_at=operation.clock.now, generation=1))
    assert (await rows_of(operation))["items"][7] == "1 entry"
    await invalidate(operation, "items", hard=True)
    assert (await rows_of(operation))["items"][1] == "3 3 dead"


async def test_a_tag_that_nothing_has_is_said_with_what_is_close_to_it(operation: Operation) -> None:
    await operation.store.commit(tagged("/items/1", "product-list"))
    await invalidate(operation, "product-lists", hard=True)
    page = await page_of(operation, "tags")
    assert "Nothing has the tag product-lists" in page.text
    assert "by CLI, ops, and that has reached nothing. Entries have product-list ." in page.text
    assert "none" in {row[0]: row[1] for row in page.rows[1:]}["product-lists"]


async def test_tags_are_searched_sorted_and_paged(operation: Operation) -> None:
    for number in range(230):
        await operation.store.commit(tagged(f"/items/{number}", f"t{number:03}", *(["many"] if number < 9 else [])))
    page = await page_of(operation, "tags")
    assert page.first_cells()[0] == "many"
    seen, where = list[str](), "tags?sort=name"
    while where:
        page = await page_of(operation, where)
        seen += page.first_cells()
        following = [link for link in page.links if "from=" in link]
        where = following[0].removeprefix("/_millpond/") if following else ""
    assert seen == ["many", *(f"t{number:03}" for number in range(230))]
    assert (await page_of(operation, "tags?q=T22")).first_cells() == [f"t22{number}" for number in range(10)]
    assert "No tag is called like that" in (await page_of(operation, "tags?q=nothing")).text


async def test_tags_by_place_are_listed_when_asked_for(operation: Operation) -> None:
    await operation.store.commit(tagged("/items/1", "items"))
    assert list(await rows_of(operation)) == ["items"]
    assert {"route:/items/[id]", "path:/items/1", "below:/items"} <= set(await rows_of(operation, "tags?place=1"))
    assert list(await rows_of(operation, "tags?q=path:/items/1")) == ["path:/items/1"]


async def test_a_count_that_takes_long_is_shown_as_far_as_it_is(
    operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        await operation.store.commit(tagged(f"/items/{number}", "items"))
    monkeypatch.setattr(counted, "PATIENCE", 0.01)
    monkeypatch.setattr(counted, "_PAUSE", 0.05)
    assert "of 200 entries counted so far" in (await page_of(operation, "tags")).text
    monkeypatch.setattr(counted, "PATIENCE", 10.0)
    assert "counted so far" not in (await page_of(operation, "tags")).text


async def test_fetched_data_is_listed_by_upstream(operation: Operation) -> None:
    await operation.store.commit(fetched("https://feed.example/a"))
    await operation.store.commit(fetched("https://feed.example/b", rendered_at=NOW - 100))
    await operation.store.commit(fetched("https://stock.example:8443/c"))
    operation.counted(
        (UPSTREAM_CALLS, 0.02, "feed.example", "GET", "200"),
        (UPSTREAM_CALLS, 0.02, "feed.example", "GET", "200"),
        (UPSTREAM_CALLS, 2.0, "feed.example", "GET", "503"),
        (UPSTREAM_CALLS, 1.0, "away.example", "GET", "ConnectError"),
    )
    page = await page_of(operation, "data")
    assert "Upstream: feed.example 3 calls in the last hour, 1 failed" in page.text
    assert "200: 2, 503: 1" in page.text
    assert "Upstream: stock.example no calls in the last hour" in page.text
    assert "Upstream: away.example 1 call in the last hour, 1 failed" in page.text
    rows = {row[0]: row for row in page.rows}
    assert rows["GET https://feed.example/b"][1] == "stale · age"


async def test_results_of_a_function_are_one_line(operation: Operation) -> None:
    for number in range(3):
        key, label = data_key("function", b"%d" % number), f"price_range(category={number})"
        await operation.store.commit(fetched("", key=key, kind="function", label=label, tags=("prices",)))
    operation.counted((FUNCTION_FILLS, 0.2, "shop.upstream.price_range", "ok"))
    page = await page_of(operation, "data")
    row = next(row for row in page.rows if row[0].startswith("price_range()"))
    assert row[1:3] == ["3", "1m / 1h"]
    assert row[4] == "1"
    assert row[7] == "prices"
    async with operation.client() as client:
        link = next(link for link in page.links if "kind=function" in link)
        assert "price_range(category=2)" in PageText((await client.get(link)).text).text


async def test_where_acts_are_possible_pages_lead_to_the_question(operation: Operation) -> None:
    await operation.store.commit(tagged("/items/1", "items"))
    pages = operation.dashboard._pages
    operation.dashboard._pages = {name: page for name, page in pages.items() if name != "confirm"}
    without = await page_of(operation, "tags?q=items")
    assert not any("confirm" in link for link in without.links)
    operation.dashboard._pages = pages
    assert "/_millpond/confirm/tag?of=items" in (await page_of(operation, "tags?q=items")).links
    entry = next(link for link in (await page_of(operation, "entries")).links if "/entries/" in link)
    page = await page_of(operation, entry.removeprefix("/_millpond/"))
    assert f"/_millpond/confirm/entry?of={entry.rpartition('/')[2]}" in page.links
