"""What the shop's tests have in common: a database of their own, and a client of the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from millpond.testing import TestClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "swordfish"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A visitor of a shop whose cache is empty, and whose prices nobody has changed."""
    from main import app

    monkeypatch.setenv("SHOP_DATABASE", str(tmp_path / "shop.db"))
    monkeypatch.setenv("SHOP_ADMIN_TOKEN", TOKEN)
    with TestClient(app) as client:
        yield client


@pytest.fixture
def admin(shop: TestClient) -> TestClient:
    """Somebody else at the same shop, who has signed in."""
    admin = shop.visitor()
    admin.post("/api/session", json={"token": TOKEN})
    return admin
