"""The STAC API as a Millpond: its reads have `@static`, and a commit renders again what shows the changed rows."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from sqlalchemy import delete

from millpond import Millpond
from millpond.testing import TestClient, assert_hit, assert_miss, assert_stale
from ported.stac.api import create_api
from ported.stac.samples import KEY, a_collection, an_item
from ported.stac.settings import StacSettings
from ported.stac.tables import CollectionRow, ItemRow

READS = [
    "/",
    "/collections",
    "/collections/rivers",
    "/collections/rivers/items",
    "/collections/rivers/items?limit=1&token=1",
    "/collections/rivers/items/a",
    "/collections/rivers/items/a/assets/picture",
]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return create_api(Millpond, StacSettings(f"sqlite:///{tmp_path_factory.mktemp('stac')}/stac.db"))


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """A client of a catalog with two collections, of which nothing is kept yet."""
    with TestClient(app, follow_redirects=False) as client:
        with app.state.sessions() as session, session.begin():
            session.execute(delete(ItemRow))
            session.execute(delete(CollectionRow))
        for name in ("rivers", "lakes"):
            assert client.post("/collections", json=a_collection(name), headers=KEY).status_code == 201
        for day, name in enumerate(("a", "b"), 1):
            answer = client.post("/collections/rivers/items", json=an_item(name, day), headers=KEY)
            assert answer.status_code == 201
        yield client


def misses(client: TestClient, *more: str) -> set[str]:
    return {path for path in (*READS, *more) if client.get(path).headers["x-nextjs-cache"] == "MISS"}


def test_reads_are_rendered_once_for_everybody(client: TestClient) -> None:
    for path in READS:
        first = assert_miss(client.get(path))
        again = assert_hit(client.get(path))
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers.get("content-type") == first.headers.get("content-type")
        assert_hit(client.visitor(headers=KEY).get(path))
        assert client.why_live(path.partition("?")[0]) is None
    assert client.get(READS[5]).headers["content-type"] == "application/geo+json"
    assert client.get(READS[6]).headers["location"] == "https://pictures.example/a.jpg"


def test_pages_are_kept_by_what_is_asked_and_by_nothing_else(client: TestClient) -> None:
    path = "/collections/rivers/items"
    assert_miss(client.get(f"{path}?limit=1&token=1"))
    assert_hit(client.get(f"{path}?token=1&limit=1"))
    assert_hit(client.get(f"{path}?token=1&limit=1&utm_source=mail"))
    assert_miss(client.get(f"{path}?limit=2&token=1"))
    assert_hit(client.get(f"{path}?limit=1&token=1"))


def test_a_commit_renders_again_what_shows_the_rows(client: TestClient) -> None:
    root, collections, rivers, items, page, item, asset = READS
    assert misses(client) == set(READS)
    client.put(item, json=an_item("a", 5), headers=KEY)
    assert misses(client) == {items, page, item, asset}
    client.post(items, json=an_item("c", 6), headers=KEY)
    assert misses(client) == {items, page}
    client.put(rivers, json=a_collection("rivers", title="Rivers"), headers=KEY)
    assert misses(client) == {root, collections, rivers}
    client.delete(item, headers=KEY)
    assert misses(client) == {items, page, item, asset}
    assert client.get(item).status_code == client.get(asset).status_code == 404
    client.delete(rivers, headers=KEY)
    assert {root, collections, rivers, items, page} <= misses(client)
    assert client.get(items).status_code == 404
    assert_hit(client.get("/collections/rivers"))


def test_a_transaction_that_is_rolled_back_renders_nothing_again(client: TestClient) -> None:
    misses(client)
    assert client.post("/collections", json=a_collection("rivers"), headers=KEY).status_code == 409
    assert client.put(READS[5], json=an_item("b"), headers=KEY).status_code == 400
    assert client.put("/collections/seas", json=a_collection("seas"), headers=KEY).status_code == 404
    assert misses(client) == set()


def test_what_the_background_writes_is_in_the_next_answer(client: TestClient) -> None:
    misses(client)
    sent = [an_item("d", 7), an_item("e", 8)]
    job = client.post("/collections/rivers/bulk_items", json=sent, headers=KEY)
    assert (job.status_code, job.json()["state"]) == (202, "running")
    client.settle()
    done = client.get(f"/jobs/{job.json()['id']}", headers=KEY).json()
    assert (done["state"], done["items"]) == ("successful", 2)
    assert misses(client) == {READS[3], READS[4]}
    assert client.get(READS[3]).json()["numberMatched"] == 4


def test_queries_that_are_refused_are_not_kept(client: TestClient) -> None:
    for query in ("limit=0", "bbox=1,2", "token=x") * 2:
        answer = client.get(f"/collections/rivers/items?{query}")
        assert answer.status_code == 400
        assert answer.headers.get("x-nextjs-cache") != "HIT"


def test_a_job_is_found_by_its_uuid_alone(client: TestClient) -> None:
    assert client.get("/jobs/one", headers=KEY).status_code == 400
    assert client.get("/jobs/00000000-0000-0000-0000-000000000000", headers=KEY).status_code == 404


def test_items_grow_old_after_a_minute(client: TestClient) -> None:
    misses(client)
    client.clock.move(61)
    assert_stale(client.get(READS[3]))
    assert_hit(client.get(READS[3]))
    assert_hit(client.get(READS[1]))
    client.clock.move(600)
    assert_stale(client.get(READS[1]))


def test_hits_pass_the_middleware_and_may_be_read_by_the_map(client: TestClient) -> None:
    misses(client)
    answers = [client.get("/collections", headers={"origin": "https://map.example"}) for _ in range(2)]
    for answer in answers:
        assert assert_hit(answer).headers["access-control-allow-origin"] == "https://map.example"
    assert answers[0].headers["server-timing"] != answers[1].headers["server-timing"]
