"""What the shop's tests have in common: a database of their own, and a client of the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "swordfish"


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The shop. In tests it reads no build, and what it stores is gone with them."""
    from main import app

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_DATABASE", str(tmp_path_factory.mktemp("database") / "shop.db"))
        patch.setenv("SHOP_ADMIN_TOKEN", TOKEN)
        with TestClient(app) as client:
            yield client


@pytest.fixture
def admin(shop: TestClient) -> Iterator[TestClient]:
    """The same, signed in."""
    shop.post("/api/session", json={"token": TOKEN})
    yield shop
    shop.cookies.clear()
