"""The example shop, built and served as its README says."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import millpond_process
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2

SHOP = Path(__file__).parents[2] / "examples" / "shop"
REFRESH_SECONDS = 15


class RunningShop(NamedTuple):
    """A shop that was built and is being served."""

    client: httpx2.Client
    table: str
    """What the build printed."""
    database: Path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningShop]:
    """Built with one environment and served with another: the database is elsewhere, the shop's name changes."""
    folder = tmp_path_factory.mktemp("shop")
    project, database = folder / "project", folder / "elsewhere.db"
    shutil.copytree(SHOP, project, ignore=shutil.ignore_patterns("*.db", ".millpond", "__pycache__"))
    env = {"SHOP_DATABASE": str(database)}
    table = millpond_process.build(project, {**env, "SHOP_NAME": "Built & shut"})
    with (
        millpond_process.served(project, {**env, "SHOP_NAME": "Served"}) as address,
        millpond_process.client(address) as client,
    ):
        yield RunningShop(client, table, database)


def cache_of(answer: httpx2.Response) -> str | None:
    return answer.headers.get("x-nextjs-cache")


def row(table: str, pattern: str) -> str:
    rows = [line for line in table.splitlines() if pattern in line.split()]
    assert len(rows) == 1, table
    return rows[0]


@pytest.mark.parametrize(
    ("pattern", "glyph", "why"),
    [
        ("/", "○", "app/route.py"),
        ("/api/categories", "○", "app/api/categories/route.py"),
        ("/api/products", "○", "app/api/products/route.py"),
        ("/api/search", "λ", "GET is live by default"),
        ("/api/cart", "λ", "GET is live by default"),
        ("/api/stock", "○", "app/api/stock/route.py"),
        ("/api/health", "λ", "app/api/health/route.py"),
    ],
)
def test_the_table_says_what_a_route_is_and_why(shop: RunningShop, pattern: str, glyph: str, why: str) -> None:
    line = row(shop.table, pattern)
    assert glyph in line
    assert why in line


def test_a_static_route_is_a_hit_from_the_first_request_on(shop: RunningShop) -> None:
    answer = shop.client.get("/api/categories")
    assert (answer.status_code, cache_of(answer)) == (200, "HIT")
    assert answer.headers["cache-control"] == "s-maxage=31536000"
    assert [category["slug"] for category in answer.json()] == ["chairs", "desks", "lamps"]


def test_a_query_in_a_static_route_is_frozen_and_one_in_a_live_route_is_not(shop: RunningShop) -> None:
    with sqlite3.connect(shop.database) as database:
        database.execute("INSERT INTO category VALUES ('rugs', 'Rugs')")
        database.execute("INSERT INTO product VALUES ('wool-rug', 'Wool rug', 'rugs', 9900, 5, 0)")
    database.close()
    assert "rugs" not in [category["slug"] for category in shop.client.get("/api/categories").json()]
    assert [product["slug"] for product in shop.client.get("/api/search", params={"q": "rug"}).json()] == ["wool-rug"]


def test_the_front_page_has_the_name_of_the_build_until_it_is_rendered_again(shop: RunningShop) -> None:
    answer = shop.client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>Built &amp; shut</h1>" in answer.text
    assert "Oak chair</a> 129.00" in answer.text


def test_a_listed_product_is_a_hit_and_says_how_long_it_is_fresh(shop: RunningShop) -> None:
    answer = shop.client.get("/api/products/oak-chair")
    assert cache_of(answer) == "HIT"
    assert answer.headers["cache-control"] == "s-maxage=60, stale-while-revalidate=31535940"
    assert answer.json()["price_cents"] == 12900


def test_an_unlisted_product_is_a_miss_once_and_then_a_hit(shop: RunningShop) -> None:
    answers = [shop.client.get("/api/products/brass-lamp") for _ in range(2)]
    assert [cache_of(answer) for answer in answers] == ["MISS", "HIT"]
    assert answers[0].json() == answers[1].json()


def test_a_product_that_does_not_exist_is_a_stored_404(shop: RunningShop) -> None:
    answers = [shop.client.get("/api/products/no-such-thing") for _ in range(2)]
    assert [(answer.status_code, cache_of(answer)) for answer in answers] == [(404, "MISS"), (404, "HIT")]


def test_a_path_without_a_route_is_404(shop: RunningShop) -> None:
    answer = shop.client.get("/api/nothing-here")
    assert (answer.status_code, cache_of(answer)) == (404, None)


def test_search_answers_each_query_for_itself_and_checks_it(shop: RunningShop) -> None:
    desks, lamps = (shop.client.get("/api/search", params={"q": q}) for q in ("desk", "LAMP"))
    assert [product["slug"] for product in desks.json()] == ["pine-desk", "walnut-desk"]
    assert [product["slug"] for product in lamps.json()] == ["brass-lamp", "paper-lamp"]
    assert cache_of(desks) is None
    assert shop.client.get("/api/search").status_code == 422
    assert shop.client.get("/api/search", params={"q": "%%"}).json() == []


def test_health_is_live(shop: RunningShop) -> None:
    answer = shop.client.get("/api/health")
    assert (answer.json(), cache_of(answer)) == ({"database": "ok"}, None)


def test_a_cart_lives_in_its_customers_cookie(shop: RunningShop) -> None:
    with millpond_process.client(str(shop.client.base_url)) as customer:
        added = customer.post("/api/cart", json={"slug": "paper-lamp", "pieces": 2})
        assert added.status_code == 201
        assert "HttpOnly" in added.headers["set-cookie"]
        customer.post("/api/cart", json={"slug": "oak-chair"})
        cart = customer.get("/api/cart")
        assert (cart.json()["total_cents"], cache_of(cart)) == (2 * 2950 + 12900, None)
        assert shop.client.get("/api/cart").json() == {"lines": [], "total_cents": 0}
        assert customer.delete("/api/cart").status_code == 204
        assert customer.get("/api/cart").json()["lines"] == []


@pytest.mark.parametrize("cookie", ["nonsense", "oak-chair:-1", "oak-chair:100", "no-such-thing:1", "..:.:"])
def test_a_cart_that_a_customer_made_up_is_empty(shop: RunningShop, cookie: str) -> None:
    assert shop.client.get("/api/cart", headers={"cookie": f"cart={cookie}"}).json()["lines"] == []


@pytest.mark.parametrize("line", [{"slug": "no-such-thing"}, {"slug": "oak-chair", "pieces": 0}, {}])
def test_what_cannot_be_bought_is_refused(shop: RunningShop, line: dict[str, object]) -> None:
    assert shop.client.post("/api/cart", json=line).status_code == 422


def test_a_delivery_reaches_the_cached_stock_when_that_goes_stale(shop: RunningShop) -> None:
    assert shop.client.post("/api/stock", json={"slug": "ash-stool", "stock": 41}).json()["stock"] == 41
    deadline = time.monotonic() + REFRESH_SECONDS
    seen = []
    while time.monotonic() < deadline:
        answer = shop.client.get("/api/stock")
        seen.append((cache_of(answer), answer.json()["ash-stool"]))
        if answer.json()["ash-stool"] == 41:
            break
        time.sleep(0.2)
    assert seen[-1] == ("HIT", 41)
    assert ("STALE", 40) in seen
    assert {cache for cache, _ in seen} <= {"HIT", "STALE"}


def test_a_campaign_redirects_from_the_cache_and_an_unlisted_one_is_404(shop: RunningShop) -> None:
    answer = shop.client.get("/go/autumn")
    assert (answer.status_code, answer.headers["location"]) == (307, "/api/products/oak-chair")
    assert cache_of(answer) == "HIT"
    assert shop.client.get("/go/spring").status_code == 404


def test_a_method_that_is_not_there_is_405_with_the_ones_that_are(shop: RunningShop) -> None:
    answer = shop.client.delete("/api/categories")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    options = shop.client.options("/api/stock")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


def test_a_client_that_has_the_answer_gets_304(shop: RunningShop) -> None:
    etag = shop.client.get("/api/categories").headers["etag"]
    answer = shop.client.get("/api/categories", headers={"if-none-match": etag})
    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize("path", ["/api/categories", "/api/health"])
def test_the_middleware_of_instrumentation_takes_part_in_static_and_live_answers(shop: RunningShop, path: str) -> None:
    assert shop.client.get(path).headers["x-content-type-options"] == "nosniff"
