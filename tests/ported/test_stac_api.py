"""The STAC API's own tests: one application for the module, and a transaction for each test that is rolled back."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Connection, create_engine, event

from millpond import Millpond
from ported.stac.api import create_api
from ported.stac.samples import KEY, a_collection, an_item
from ported.stac.settings import StacSettings
from ported.stac.tables import Base, CatalogSession, get_session

MADE: dict[object, FastAPI] = {}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('stac')}/stac.db"


@pytest.fixture
def app(constructor: Callable[..., FastAPI], database: str) -> FastAPI:
    if (constructor, database) not in MADE:
        MADE[constructor, database] = create_api(constructor, StacSettings(database))
    return MADE[constructor, database]


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    engine = create_engine(database, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)

    @event.listens_for(engine, "connect")
    def no_commits_of_the_driver(driver: Any, _record: object) -> None:
        driver.isolation_level = None  # it would begin no transaction for a savepoint

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    engine.dispose()
    with engine.connect() as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()
    engine.dispose()


@pytest.fixture
def client(app: FastAPI, connection: Connection) -> Iterator[TestClient]:
    def in_transaction() -> Iterator[CatalogSession]:
        with CatalogSession(connection, join_transaction_mode="create_savepoint") as session:
            yield session
            session.commit()

    app.dependency_overrides[get_session] = in_transaction
    with TestClient(app) as client:
        yield client
    app.dependency_overrides.clear()


@pytest.fixture
def rivers(client: TestClient) -> TestClient:
    """A client of a catalog with a collection and three items."""
    assert client.post("/collections", json=a_collection("rivers"), headers=KEY).status_code == 201
    for day, name in enumerate(("a", "b", "c"), 1):
        answer = client.post("/collections/rivers/items", json=an_item(name, day, 10.0 * day), headers=KEY)
        assert answer.status_code == 201, answer.text
    return client


def rels(document: dict[str, Any]) -> set[str]:
    return {link["rel"] for link in document["links"]}


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [feature["id"] for feature in answer.json()["features"]]


def test_an_empty_catalog_has_a_landing_page(client: TestClient) -> None:
    for _ in range(2):
        page = client.get("/").json()
        assert page["type"] == "Catalog"
        assert rels(page) == {"self", "root", "data", "conformance", "search", "service-desc"}
        assert client.get("/conformance").json() == {"conformsTo": page["conformsTo"]}
        assert client.get("/collections").json()["collections"] == []


def test_the_landing_page_links_to_the_collections(rivers: TestClient) -> None:
    children = [link["href"] for link in rivers.get("/").json()["links"] if link["rel"] == "child"]
    assert children == ["http://testserver/collections/rivers"]


def test_a_collection_is_written_read_changed_and_deleted(client: TestClient) -> None:
    assert client.get("/collections/rivers").status_code == 404
    created = client.post("/collections", json=a_collection("rivers", keywords=["water"]), headers=KEY)
    assert created.headers["location"] == "/collections/rivers"
    document = client.get("/collections/rivers").json()
    assert document["keywords"] == ["water"]
    assert "title" not in document
    assert rels(document) == {"self", "parent", "items", "root"}
    assert client.post("/collections", json=a_collection("rivers"), headers=KEY).status_code == 409
    changed = client.put("/collections/rivers", json=a_collection("rivers", title="Rivers"), headers=KEY)
    assert changed.status_code == 200
    assert client.get("/collections/rivers").json()["title"] == "Rivers"
    assert [each["title"] for each in client.get("/collections").json()["collections"]] == ["Rivers"]
    assert client.delete("/collections/rivers", headers=KEY).status_code == 204
    assert client.get("/collections/rivers").json()["code"] == "NotInCatalog"
    assert client.get("/collections").json()["collections"] == []


@pytest.mark.parametrize("time", ["once", "again"])
def test_what_a_test_has_written_is_gone_with_it(client: TestClient, time: str) -> None:
    assert client.get("/collections").json()["collections"] == []
    assert client.get("/collections/lakes").status_code == 404
    client.post("/collections", json=a_collection("lakes"), headers=KEY)
    for _ in range(2):
        assert [each["id"] for each in client.get("/collections").json()["collections"]] == ["lakes"]
        assert client.get("/collections/lakes").status_code == 200


def test_writing_needs_the_key(client: TestClient) -> None:
    assert client.post("/collections", json=a_collection("rivers")).status_code in {401, 403}
    assert client.post("/collections", json=a_collection("rivers"), headers={"x-api-key": "?"}).status_code == 403
    assert client.get("/collections/rivers").status_code == 404


def test_items_are_geojson_with_links(rivers: TestClient) -> None:
    for _ in range(2):
        answer = rivers.get("/collections/rivers/items/a")
        assert answer.headers["content-type"] == "application/geo+json"
        assert rels(answer.json()) == {"self", "parent", "collection", "root"}
        assert answer.json()["collection"] == "rivers"
    assert rivers.get("/collections/rivers/items/z").status_code == 404
    assert rivers.get("/collections/lakes/items").status_code == 404


@pytest.mark.parametrize("way", ["items", "search"])
def test_items_are_chosen_by_place_and_time(rivers: TestClient, way: str) -> None:
    path = {"items": "/collections/rivers/items?", "search": "/search?collections=rivers&"}[way]
    for query, expected in {
        "": ["c", "b", "a"],
        "limit=2": ["c", "b"],
        "limit=2&token=2": ["a"],
        "bbox=15,0,25,60": ["b"],
        "datetime=2026-11-02T12:00:00Z": ["b"],
        "datetime=2026-11-02T00:00:00Z/..": ["c", "b"],
        "datetime=../2026-11-02T23:59:59Z": ["b", "a"],
        "bbox=0,0,25,60&datetime=../2026-11-01T23:59:59Z": ["a"],
        "unknown=1": ["c", "b", "a"],
    }.items():
        assert names(rivers.get(path + query)) == expected
        assert names(rivers.get(path + query)) == expected
    for query in ("limit=0", "limit=x", "bbox=1,2", "token=-1"):
        assert rivers.get(path + query).status_code == 400


def test_pages_link_to_the_next(rivers: TestClient) -> None:
    seen, path = [], "/collections/rivers/items?limit=1"
    while path:
        page = rivers.get(path)
        seen += names(page)
        path = next((link["href"] for link in page.json()["links"] if link["rel"] == "next"), "")
    assert seen == ["c", "b", "a"]
    assert page.json()["numberMatched"] == 3


def test_a_search_is_posted(rivers: TestClient) -> None:
    assert names(rivers.post("/search", json={"collections": ["rivers"], "ids": ["a", "c"]})) == ["c", "a"]
    assert names(rivers.post("/search", json={"bbox": [15, 0, 25, 60]})) == ["b"]
    assert rivers.post("/search", json={"limit": 0}).status_code == 400


def test_an_item_is_changed_and_deleted(rivers: TestClient) -> None:
    moved = an_item("a", day=9, west=99.0)
    assert rivers.put("/collections/rivers/items/a", json=moved, headers=KEY).status_code == 200
    assert rivers.get("/collections/rivers/items/a").json()["bbox"][0] == 99.0
    assert names(rivers.get("/collections/rivers/items?limit=1")) == ["a"]
    assert rivers.put("/collections/rivers/items/b", json=moved, headers=KEY).status_code == 400
    assert rivers.delete("/collections/rivers/items/a", headers=KEY).status_code == 204
    assert rivers.get("/collections/rivers/items/a").status_code == 404
    assert names(rivers.get("/collections/rivers/items")) == ["c", "b"]


def test_an_asset_is_elsewhere(rivers: TestClient) -> None:
    path = "/collections/rivers/items/a/assets/"
    answer = rivers.get(path + "picture", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, "https://pictures.example/a.jpg")
    assert rivers.get(path + "maps/large").status_code == 404


def test_an_item_without_a_time_is_refused(rivers: TestClient) -> None:
    answer = rivers.post("/collections/rivers/items", json=an_item("d", properties={}), headers=KEY)
    assert (answer.status_code, "properties.datetime" in answer.json()["description"]) == (400, True)


def test_answers_are_timed_and_may_be_read_by_the_map(client: TestClient) -> None:
    for _ in range(2):
        answer = client.get("/collections", headers={"origin": "https://map.example"})
        assert answer.headers["server-timing"].startswith("app;dur=")
        assert answer.headers["access-control-allow-origin"] == "https://map.example"


def test_the_document_has_names_of_its_own(client: TestClient) -> None:
    paths = client.get("/api").json()["paths"]
    assert paths["/collections/{collection_id}"]["get"]["operationId"] == "core-collection"
    assert client.get("/api.html").status_code == 200
    assert client.get("/docs").status_code == 404
    assert client.get("/_mgmt/ping").json() == {"message": "PONG"}
    assert client.get("/_mgmt/health").json() == {"database": "up"}


def test_the_class_is_the_one_that_was_asked_for(app: FastAPI, constructor: Callable[..., FastAPI]) -> None:
    assert isinstance(app, Millpond) is (constructor is Millpond)
