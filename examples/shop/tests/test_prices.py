"""A price that an admin changes is in the next answer, and what doesn't show it stays in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from millpond.testing import assert_hit, assert_miss, assert_stale

if TYPE_CHECKING:
    from millpond.testing import TestClient

CHANGE = {"price_cents": 13_900}


def test_a_changed_price_is_in_the_next_answer(shop: TestClient, admin: TestClient) -> None:
    paths = ["/api/products/oak-chair", "/api/products?sort=price", "/"]
    for path in [*paths, "/api/products/pine-desk"]:
        shop.get(path)
        assert_hit(shop.get(path))
    assert admin.put("/api/products/oak-chair", json=CHANGE).json()["price_cents"] == 13_900
    for path in paths:
        assert_miss(shop.get(path))
    assert shop.get("/api/products/oak-chair").json()["price_cents"] == 13_900
    assert_hit(shop.get("/api/products/pine-desk"))


@pytest.mark.parametrize("headers", [{}, {"x-admin-token": "guess"}, {"cookie": "session=admin"}])
def test_nobody_else_changes_a_price(shop: TestClient, headers: dict[str, str]) -> None:
    assert shop.put("/api/products/paper-lamp", json=CHANGE, headers=headers).status_code == 401
    assert shop.get("/api/products/paper-lamp").json()["price_cents"] == 2_950


def test_a_review_keeps_nobody_waiting(shop: TestClient) -> None:
    path = "/api/products/walnut-desk/reviews"
    assert assert_miss(shop.get(path)).json() == []
    shop.post(path, json={"stars": 5, "text": "Solid."})
    assert assert_stale(shop.get(path)).json() == []
    assert assert_hit(shop.get(path)).json()[0]["text"] == "Solid."


def test_a_product_is_a_minute_old_at_most(shop: TestClient) -> None:
    shop.get("/api/products/oak-chair")
    shop.clock.move(60)
    assert_hit(shop.get("/api/products/oak-chair"))
    shop.clock.move(1)
    assert_stale(shop.get("/api/products/oak-chair"))


@pytest.mark.parametrize("path", ["/", "/api/products?sort=price", "/api/products/oak-chair", "/products/oak-chair"])
def test_what_every_visitor_asks_for_stays_cacheable(shop: TestClient, path: str) -> None:
    assert shop.why_live(path) is None
