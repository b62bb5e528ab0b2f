"""The pages about entries: search, paging, and what is shown of one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from operated_project import NOW, Operation
from page_text import PageText

from engines import Engine, engine, settle
from millpond import Millpond
from millpond.dashboard.stored import entry_search
from millpond.dashboard.stored.entry_search import ROWS
from millpond.policy.entry import Backoff, Entry
from millpond.policy.key import data_key, response_key, shared_key
from millpond.policy.tags import own_tags
from millpond.routes.imports import forget
from millpond.stores.factory import chosen_store
from millpond.stores.frame import decode_frame
from millpond.stores.lmdb.store import LmdbStore
from millpond.telemetry.journal import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


__all__ = ["engine"]
pytestmark = pytest.mark.anyio

ROUTE = "app/items/[id]/route.py"


def answer(path: str, query: str = "", **changes: Any) -> Entry:
    entry = Entry(
        key=response_key(ROUTE, path, query),
        status=200,
        headers=((b"content-type", b"text/html; charset=utf-8"),),
        body=f"<h1>{path}</h1>".encode(),
        rendered_at=NOW - 30,
        revalidate=60,
        expire=3600,
        tags=("items", *own_tags("/items/[id]", "/items/[id]", path)),
        build="0123456789ab",
    )
    return replace(entry, **changes)


def fetched(url: str, **changes: Any) -> Entry:
    entry = answer("/", key=data_key("fetch", url.encode()), kind="fetch", label=f"GET {url}", build="", tags=("feed",))
    return replace(entry, **changes)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "app/items/[id]").mkdir(parents=True)
    (tmp_path / ROUTE).write_text("revalidate = 60\ndef GET(id: str):\n    return id\n", "utf-8")
    (tmp_path / "app/route.py").write_text("def GET():\n    return 'live'\n", "utf-8")
    yield tmp_path
    forget(tmp_path)


@pytest.fixture(params=["memory", "lmdb", "valkey"])
async def operation(project: Path, request: pytest.FixtureRequest) -> AsyncIterator[Operation]:
    """One with each kind of store."""
    cache: dict[str, object] = {"store": request.param}
    if request.param == "valkey":
        found: Engine = request.getfixturevalue("engine")
        client = found.client()
        client.flushall()
        settle(client, "dashboard")
        cache = {"store": found.url, "prefix": "dashboard"}
    routes = Millpond(project / "app").own_routes
    operation = Operation(project, routes=routes, config={"cache": cache}, development=False)
    if request.param != "memory":
        config = operation.operated.config
        store = chosen_store(project, config.cache, operation.operated.build, operation.clock)
        await store.open()
        operation = Operation(project, routes=routes, config={"cache": cache}, development=False, store=store)
    await operation.plan()
    yield operation
    await operation.store.close()


async def page_of(operation: Operation, path: str, status: int = 200) -> PageText:
    async with operation.client() as client:
        found = await client.get(f"/_millpond/{path}")
        assert found.status_code == status
        return PageText(found.text)


async def test_without_entries_the_page_says_what_would_be_here(operation: Operation) -> None:
    assert "Nothing is stored yet" in (await page_of(operation, "entries")).text


async def test_entries_have_their_state_age_lifetime_and_tags(operation: Operation) -> None:
    await operation.store.commit(answer("/items/1"))
    await operation.store.commit(answer("/items/2", rendered_at=NOW - 100))
    await operation.store.commit(answer("/items/3", rendered_at=NOW - 7200))
    await operation.store.commit(answer("/items/4", build="another"))
    failed = answer("/items/5", rendered_at=NOW - 100, backoff=Backoff(NOW - 1, 30, 9))
    await operation.store.commit(failed)
    page = await page_of(operation, "entries")
    rows = {row[0]: row for row in page.rows[1:]}
    assert {name: row[2] for name, row in rows.items()} == {
        "/items/1": "fresh",
        "/items/2": "stale · age",
        "/items/3": "dead · expired",
        "/items/4": "dead · other-build",
        "/items/5": "stale · refresh-failed",
    }
    assert rows["/items/1"][3:5] == ["30.0 s", "1m / 1h"]
    assert rows["/items/1"][7] == "items"
    assert page.first_cells()[0] == "/items/2"
    assert "5 entries" in page.text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=/items/1", ["/items/1", "/items/11", "/items/1?page=2"]),
        ("q=ITEMS/11", ["/items/11"]),
        ("q=page%3D2", ["/items/1?page=2"]),
        ("q=feed.example", ["GET https://feed.example/a"]),
        ("tag=feed", ["GET https://feed.example/a"]),
        ("tag=path:/items/11", ["/items/11"]),
        ("tag=route:/items/[id]&q=11", ["/items/11"]),
        ("kind=fetch", ["GET https://feed.example/a"]),
        ("state=stale", ["/items/11"]),
        ("tag=items&state=fresh&kind=response", ["/items/1", "/items/1?page=2"]),
    ],
)
async def test_entries_are_found_by_path_url_tag_kind_and_state(
    operation: Operation, query: str, names: list[str]
) -> None:
    await operation.store.commit(answer("/items/1"))
    await operation.store.commit(answer("/items/1", "page=2"))
    await operation.store.commit(answer("/items/11", rendered_at=NOW - 100))
    await operation.store.commit(fetched("https://feed.example/a"))
    page = await page_of(operation, f"entries?{query}")
    assert sorted(row[0] for row in page.rows[1:]) == names


async def test_the_entry_of_a_path_comes_first(operation: Operation) -> None:
    await operation.store.seed(answer(f"/items/1{number}", rendered_at=NOW - 100) for number in range(20))
    await operation.store.commit(answer("/items/1"))
    assert (await page_of(operation, "entries?q=/items/1")).first_cells()[0] == "/items/1"


async def test_the_entry_of_a_path_is_found_by_the_index_also_where_builds_share_it(
    operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_search, "_SECONDS", 0)
    operation.plans = [dataclasses.replace(plan, fingerprint="00ff") for plan in operation.plans]
    paths = [f"/items/{number}" for number in range(100, 400)]
    keys = {path: shared_key(response_key(ROUTE, path), "00ff") for path in paths}
    await operation.store.seed(answer(path, key=key, rendered_at=NOW - 100) for path, key in keys.items())
    for path in paths[:6]:
        assert (await page_of(operation, f"entries?q={path}")).first_cells() == [path]


async def test_an_entry_is_found_by_the_beginning_of_its_id(operation: Operation) -> None:
    for number in range(200):
        await operation.store.commit(answer(f"/items/{number}"))
    page = await page_of(operation, "entries?q=/items/77")
    [link] = [each for each in page.links if "/entries/" in each]
    digest = link.rpartition("/")[2]
    for length in (7, 8, 32):
        page = await page_of(operation, f"entries?q={digest[:length]}")
        assert "/items/77" in page.first_cells()


async def test_pages_follow_each_other_without_gaps_and_without_repetitions(operation: Operation) -> None:
    for number in range(170):
        await operation.store.commit(answer(f"/items/{number}"))
    seen: list[str] = []
    where, pages = "entries", 0
    while where:
        page = await page_of(operation, where)
        seen += page.first_cells()
        pages += 1
        following = [link for link in page.links if "after=" in link]
        where = following[0].removeprefix("/_millpond/") if following else ""
    assert pages == 4
    assert sorted(seen) == sorted(f"/items/{number}" for number in range(170))


async def test_where_nothing_is_stored_the_page_says_who_would_answer_and_what_is_close(operation: Operation) -> None:
    await operation.store.commit(answer("/items/walnut-desk"))
    page = await page_of(operation, "entries?q=/items/wallnut-desk")
    assert "Nothing is stored for /items/wallnut-desk" in page.text
    assert "answered by /items/[id] : rendered when somebody first asks for it, and stored." in page.text
    assert "Close to it: /items/walnut-desk" in page.text
    assert "it runs live, and nothing is stored" in (await page_of(operation, "entries?q=/&state=dead")).text
    assert "No route answers a GET of it." in (await page_of(operation, "entries?q=/nothing/here")).text


async def id_of(operation: Operation, query: str) -> str:
    page = await page_of(operation, f"entries?q={query}")
    return next(link for link in page.links if "/entries/" in link).removeprefix("/_millpond/")


async def test_an_entry_shows_its_facts_headers_and_tags(operation: Operation) -> None:
    await operation.store.commit(answer("/items/1"))
    page = await page_of(operation, await id_of(operation, "/items/1"))
    assert "Route /items/[id] · app/items/[id]/route.py" in page.text
    assert "Lifetime 1m / 1h stale from" in page.text
    assert "Generation 0 of 0" in page.text
    assert "content-type: text/html; charset=utf-8" in page.text
    assert [row[0] for row in page.rows[1:3]] == ["items", "route:/items/[id]"]


async def test_a_tag_says_when_it_was_invalidated_and_by_whom(operation: Operation) -> None:
    await operation.store.commit(answer("/items/1"))
    generation = operation.store.invalidate(["items"], expire_after=None)
    event = Event(
        at=NOW - 5, kind="invalidation", text="x", tags=("items",), generation=generation, origin="cli", name="ops"
    )
    operation.counting.journal.note(event)
    page = await page_of(operation, await id_of(operation, "/items/1"))
    assert "stale · tag" in page.text
    assert page.rows[1][1:] == ["07:59:55 by CLI, ops", "1"]


async def test_bodies_are_shown_where_that_is_allowed_and_as_text_alone(project: Path) -> None:
    routes = Millpond(project / "app").own_routes
    for config, development, shown in (
        ({}, False, False),
        ({"dashboard": {"bodies": True}}, False, True),
        ({}, True, True),
    ):
        cache = {**config, "cache": {"store": "memory"}}
        if "dashboard" in cache:
            cache["dashboard"] = {"bodies": True, "secret_env": "SECRET"}
        operation = Operation(project, routes=routes, config=cache, development=development)
        await operation.store.commit(answer("/items/1", body=b"<script>alert(1)</script>" + b"x" * 5000))
        page = await page_of(operation, await id_of(operation, "/items/1"))
        assert ("<script>alert(1)</script>" in page.text) is shown
        assert page.tags.count("script") == 1
        assert ("the first 4 kB" in page.text) is shown
        assert "x" * 4097 not in page.text


async def test_what_is_no_text_is_its_type_and_size(project: Path) -> None:
    operation = Operation(project, config={"cache": {"store": "memory"}}, development=True)
    await operation.store.commit(answer("/i.png", headers=((b"content-type", b"image/png"),), body=b"\x89PNG" * 100))
    page = await page_of(operation, await id_of(operation, "/i.png"))
    assert "image/png, 400 bytes" in page.text
    assert "It isn\N{RIGHT SINGLE QUOTATION MARK}t a text that could be shown." in page.text


async def test_secrets_in_headers_and_bodies_are_not_shown(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "hunter2hunter2")
    operation = Operation(project, config={"cache": {"store": "memory"}}, development=True)
    headers = (
        (b"content-type", b"text/plain"),
        (b"set-cookie", b"session=abcdef"),
        (b"x-auth-token", b"abcdef"),
        (b"x-note", b"it is hunter2hunter2"),
    )
    body = b"x" * 4090 + b"hunter2hunter2"
    await operation.store.commit(answer("/items/1", headers=headers, body=body))
    async with operation.client() as client:
        text = (await client.get(f"/_millpond/{await id_of(operation, '/items/1')}")).text
    assert "abcdef" not in text
    assert "hunter" not in text
    assert "set-cookie: (not shown)" in text
    assert "x-note: it is $SHOP_PASSWORD" in text


@pytest.mark.parametrize("name", ["nothing", "00" * 16, "0" * 100, "abc/def", "zz"])
async def test_what_is_no_entry_is_404(operation: Operation, name: str) -> None:
    await page_of(operation, f"entries/{name}", status=404)


async def test_a_page_reads_what_it_shows_however_many_entries_there_are(project: Path) -> None:
    operation = Operation(project, config={"cache": {"store": "lmdb"}}, development=False)
    folder = project / operation.operated.config.cache.path
    operation = Operation(
        project,
        config={"cache": {"store": "lmdb"}},
        development=False,
        store=LmdbStore(folder, max_bytes=2**26, clock=operation.clock),
    )
    await operation.store.open()
    await operation.store.seed(answer(f"/items/{number}") for number in range(3000))
    with pytest.MonkeyPatch.context() as patch:
        read: list[int] = []
        decode = decode_frame

        def counted(frame: bytes) -> Entry | None:
            read.append(len(frame))
            return decode(frame)

        patch.setattr("millpond.stores.lmdb.inspection.decode_frame", counted)
        await page_of(operation, "entries")
        assert len(read) <= ROWS + 1
        read.clear()
        await page_of(operation, "entries?tag=path:/items/1234")
        assert 1 <= len(read) < 10
    await operation.store.close()


async def test_a_search_ends_in_time_and_goes_on_where_it_has_ended(
    operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_search, "_SECONDS", -1.0)
    await operation.store.seed(answer(f"/items/{number}") for number in range(300))
    seen, where, pages = list[str](), "entries?q=tems/299", 0
    while where:
        page = await page_of(operation, where)
        seen += page.first_cells()
        pages += 1
        following = [link for link in page.links if "after=" in link]
        where = following[0].removeprefix("/_millpond/") if following else ""
    assert (seen, pages > 2) == (["/items/299"], True)


async def test_without_its_store_pages_say_so(project: Path) -> None:
    config = {"cache": {"store": "valkey://127.0.0.1:1", "store_timeout": 0.2}}
    operation = Operation(project, config=config, development=False)
    store = chosen_store(project, operation.operated.config.cache, "0123456789ab", operation.clock)
    routes = Millpond(project / "app").own_routes
    operation = Operation(project, routes=routes, config=config, development=False, store=store)
    await operation.plan()
    for page in ("entries", "entries?q=/items/1", "tags", "data", f"entries/{'0' * 32}"):
        found = await page_of(operation, page)
        assert "The store can\N{RIGHT SINGLE QUOTATION MARK}t be read" in found.text
        assert "127.0.0.1:1" in found.text
    assert "What a request gets now" in (await page_of(operation, "routes/-/")).text
