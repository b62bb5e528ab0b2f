"""A price that an admin changes is in the next answer, and what doesn't show it stays in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

CHANGE = {"price_cents": 13_900}


def cache_of(shop: TestClient, path: str) -> str | None:
    return shop.get(path).headers.get("x-nextjs-cache")


def test_a_changed_price_is_in_the_next_answer(admin: TestClient) -> None:
    paths = ["/api/products/oak-chair", "/api/products?sort=price", "/"]
    for path in [*paths, "/api/products/pine-desk"]:
        admin.get(path)
        assert cache_of(admin, path) == "HIT"
    assert admin.put("/api/products/oak-chair", json=CHANGE).json()["price_cents"] == 13_900
    assert [cache_of(admin, path) for path in paths] == ["MISS"] * 3
    assert admin.get("/api/products/oak-chair").json()["price_cents"] == 13_900
    assert cache_of(admin, "/api/products/pine-desk") == "HIT"


@pytest.mark.parametrize("headers", [{}, {"x-admin-token": "guess"}, {"cookie": "session=admin"}])
def test_nobody_else_changes_a_price(shop: TestClient, headers: dict[str, str]) -> None:
    assert shop.put("/api/products/paper-lamp", json=CHANGE, headers=headers).status_code == 401
    assert shop.get("/api/products/paper-lamp").json()["price_cents"] == 2_950


def test_a_review_keeps_nobody_waiting(shop: TestClient) -> None:
    path = "/api/products/walnut-desk/reviews"
    assert [cache_of(shop, path) for _ in range(2)] == ["MISS", "HIT"]
    shop.post(path, json={"stars": 5, "text": "Solid."})
    answer = shop.get(path)
    assert (answer.headers["x-nextjs-cache"], answer.json()) == ("STALE", [])
