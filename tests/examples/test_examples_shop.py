"""The example shop, built and served as its README says."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

import millpond_process
import pytest
from example_shop import SECRET, TOKEN, RunningShop, cache_of, is_stored, running_shop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REFRESH_SECONDS = 15


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningShop]:
    """Built with one environment and served with another: the shop's name changes. Nobody is its admin."""
    with running_shop(
        tmp_path_factory.mktemp("shop"), {"SHOP_NAME": "Served"}, {"SHOP_NAME": "Built & shut"}
    ) as running:
        yield running


@pytest.fixture(scope="module")
def run_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningShop]:
    """One with an admin and a webhook, whose data the tests change: each one has products of its own."""
    env = {"SHOP_ADMIN_TOKEN": TOKEN, "SHOP_REVALIDATE_SECRET": SECRET}
    with running_shop(tmp_path_factory.mktemp("run_shop"), env) as running:
        yield running


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
        ("/api/products/[slug]", "●", "app/api/products/[slug]/route.py"),
        ("/api/products/[slug]/reviews", "●", "app/api/products/[slug]/reviews/route.py"),
        ("/api/prices", "λ", "GET is live by default"),
        ("/upstream/products", "λ", "app/upstream/products/route.py"),
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
    assert is_stored(answer)
    assert answer.headers["cache-control"] == "s-maxage=60, stale-while-revalidate=31535940"
    assert answer.json()["price_cents"] == 12900


def test_an_unlisted_product_is_a_miss_once_and_then_a_hit(shop: RunningShop) -> None:
    answers = [shop.client.get("/api/products/brass-lamp") for _ in range(2)]
    assert [cache_of(answer) for answer in answers] == ["MISS", "HIT"]
    assert answers[0].json() == answers[1].json()


def test_a_product_that_does_not_exist_is_a_stored_404(shop: RunningShop) -> None:
    answers = [shop.client.get("/api/products/no-such-thing") for _ in range(2)]
    assert [(answer.status_code, cache_of(answer)) for answer in answers] == [(404, "MISS"), (404, "HIT")]


@pytest.mark.parametrize("slug", ["..%2F..", "a%3Fb", "a%2Fb", "x" * 200])
def test_what_cannot_be_a_product_is_404_and_never_asked_for_upstream(shop: RunningShop, slug: str) -> None:
    before = shop.upstream_calls()
    assert shop.client.get(f"/api/products/{slug}").status_code == 404
    assert shop.upstream_calls() == before


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


def test_a_changed_price_is_in_the_next_answer_wherever_it_shows(run_shop: RunningShop) -> None:
    paths = ["/api/products/oak-chair", "/api/products?sort=price", "/"]
    for path in paths:
        run_shop.client.get(path)
        assert is_stored(run_shop.client.get(path))
    assert run_shop.set_price("oak-chair", 13_900).json()["price_cents"] == 13_900
    one, many, page = (run_shop.client.get(path) for path in paths)
    assert one.json()["price_cents"] == 13_900
    assert {product["slug"]: product["price_cents"] for product in many.json()}["oak-chair"] == 13_900
    assert "Oak chair</a> 139.00" in page.text
    assert [cache_of(answer) for answer in (one, many, page)] == ["MISS"] * 3
    assert [cache_of(run_shop.client.get(path)) for path in paths] == ["HIT"] * 3


def test_other_products_stay_cached_when_a_price_changes(run_shop: RunningShop) -> None:
    run_shop.set_price("ash-stool", 5_500)
    assert is_stored(run_shop.client.get("/api/products/pine-desk"))


def test_the_admin_reads_the_own_change_and_the_next_visitor_has_it_from_the_data_cache(run_shop: RunningShop) -> None:
    before = run_shop.upstream_calls()
    assert run_shop.set_price("paper-lamp", 3_050).json()["price_cents"] == 3_050
    assert run_shop.upstream_calls() == before + 1
    answer = run_shop.client.get("/api/products/paper-lamp")
    assert (cache_of(answer), answer.json()["price_cents"]) == ("MISS", 3_050)
    assert run_shop.upstream_calls() == before + 1


def test_a_change_of_a_price_leaves_an_audit_line(run_shop: RunningShop) -> None:
    run_shop.set_price("brass-lamp", 18_600)
    deadline = time.monotonic() + REFRESH_SECONDS
    while "price of brass-lamp: 18600 cents" not in run_shop.log.read_text("utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("token", ["", "Swordfish", "swordfish2"])
def test_a_wrong_token_changes_nothing(run_shop: RunningShop, token: str) -> None:
    assert run_shop.set_price("walnut-desk", 1, token).status_code == 401
    upstream = run_shop.client.put(
        "/upstream/products/walnut-desk", json={"price_cents": 1}, headers={"x-admin-token": token}
    )
    assert upstream.status_code == 401
    assert run_shop.client.get("/api/products/walnut-desk").json()["price_cents"] == 79_000


@pytest.mark.parametrize("token", ["", TOKEN])
def test_a_shop_without_an_admin_token_has_no_admin(shop: RunningShop, token: str) -> None:
    assert shop.set_price("oak-chair", 1, token).status_code == 401


@pytest.mark.parametrize("cents", [0, -1, 10_000_001])
def test_a_price_that_makes_no_sense_is_refused(run_shop: RunningShop, cents: int) -> None:
    assert run_shop.set_price("walnut-desk", cents).status_code == 422


def test_a_price_for_what_is_not_sold_is_404(run_shop: RunningShop) -> None:
    assert run_shop.set_price("no-such-thing", 100).status_code == 404


def test_a_review_is_shown_after_one_stale_answer(run_shop: RunningShop) -> None:
    path = "/api/products/walnut-desk/reviews"
    assert [cache_of(run_shop.client.get(path)) for _ in range(2)] == ["MISS", "HIT"]
    assert run_shop.client.post(path, json={"stars": 5, "text": "Solid."}).status_code == 201
    stale = run_shop.client.get(path)
    assert (cache_of(stale), stale.json()) == ("STALE", [])
    deadline = time.monotonic() + REFRESH_SECONDS
    while cache_of(answer := run_shop.client.get(path)) == "STALE":
        assert time.monotonic() < deadline
    assert (cache_of(answer), answer.json()) == ("HIT", [{"stars": 5, "text": "Solid."}])


@pytest.mark.parametrize(
    "review", [{"stars": 6, "text": "!"}, {"stars": 5, "text": ""}, {"stars": 1, "text": "x" * 501}]
)
def test_a_review_that_makes_no_sense_is_refused(run_shop: RunningShop, review: dict[str, object]) -> None:
    assert run_shop.client.post("/api/products/oak-chair/reviews", json=review).status_code == 422
    assert run_shop.client.post("/api/products/nothing/reviews", json={"stars": 1, "text": "?"}).status_code == 422


def test_each_page_and_order_of_the_list_is_stored_once(shop: RunningShop) -> None:
    assert is_stored(shop.client.get("/api/products"))
    first = shop.client.get("/api/products?page=2&sort=price")
    again = shop.client.get("/api/products?utm_source=mail&sort=price&page=2")
    assert [cache_of(first), cache_of(again)] == ["MISS", "HIT"]
    assert first.json() == again.json()
    assert "walnut-desk" in [product["slug"] for product in first.json()]
    assert cache_of(shop.client.get("/api/products?page=2&sort=name")) == "MISS"


def test_a_page_that_makes_no_sense_is_refused_and_not_stored(shop: RunningShop) -> None:
    answers = [shop.client.get("/api/products?page=none") for _ in range(2)]
    assert [(answer.status_code, cache_of(answer)) for answer in answers] == [(422, "MISS")] * 2


def test_the_prices_of_a_category_are_live_and_asked_for_upstream_once_until_one_changes(run_shop: RunningShop) -> None:
    def prices() -> tuple[str | None, dict[str, int]]:
        answer = run_shop.client.get("/api/prices", params={"category": "desks"})
        return cache_of(answer), answer.json()

    run_shop.set_price("pine-desk", 35_900)
    before = run_shop.upstream_calls()
    assert [prices() for _ in range(3)] == [(None, {"lowest_cents": 35_900, "highest_cents": 79_000})] * 3
    assert run_shop.upstream_calls() == before + 1
    run_shop.set_price("pine-desk", 36_900)
    assert prices()[1]["lowest_cents"] == 36_900
    assert run_shop.client.get("/api/prices", params={"category": "boats"}).status_code == 404


def test_a_webhook_with_the_secret_invalidates_from_outside(run_shop: RunningShop) -> None:
    path = "/api/products/pine-desk"
    run_shop.client.get(path)
    with sqlite3.connect(run_shop.database) as database:
        database.execute("UPDATE product SET name = 'Pine table' WHERE slug = 'pine-desk'")
    database.close()
    answer = run_shop.client.get(path)
    assert (cache_of(answer), answer.json()["name"]) == ("HIT", "Pine desk")
    order = {"tags": ["product:pine-desk"]}
    assert run_shop.client.post("/api/revalidate", json=order).status_code == 401
    done = run_shop.client.post("/api/revalidate", json=order, headers={"authorization": f"Bearer {SECRET}"})
    assert (done.status_code, done.json()["tags"]) == (200, 1)
    answer = run_shop.client.get(path)
    assert (cache_of(answer), answer.json()["name"]) == ("MISS", "Pine table")


def test_a_changed_price_outlives_a_restart(tmp_path: Path) -> None:
    path, cents, change = "/api/products/oak-chair", [], {"price_cents": 13_900}
    env = {"SHOP_ADMIN_TOKEN": TOKEN}
    with running_shop(tmp_path, env) as running:
        cents.append(running.client.get(path).json()["price_cents"])
        assert running.client.put(path, json=change, headers={"x-admin-token": TOKEN}).status_code == 200
    env["SHOP_DATABASE"] = str(running.database)
    with millpond_process.served(tmp_path / "project", env) as address, millpond_process.client(address) as client:
        cents.append(client.get(path).json()["price_cents"])
    assert cents == [12_900, 13_900]
