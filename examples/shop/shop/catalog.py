"""What the shop sells before anybody changes it."""

from __future__ import annotations

from shop.models import Base, Category, Product


def first_stock() -> list[Base]:
    """The rows of a new database."""
    return [
        Category(slug="chairs", name="Chairs"),
        Category(slug="desks", name="Desks"),
        Category(slug="lamps", name="Lamps"),
        _product("oak-chair", "Oak chair", "chairs", 12_900, 14, featured=True),
        _product("ash-stool", "Ash stool", "chairs", 5_400, 40),
        _product("pine-desk", "Pine desk", "desks", 34_900, 3, featured=True),
        _product("walnut-desk", "Walnut desk", "desks", 79_000, 0),
        _product("paper-lamp", "Paper lamp", "lamps", 2_950, 120, featured=True),
        _product("brass-lamp", "Brass lamp", "lamps", 18_500, 6),
    ]


def _product(slug: str, name: str, category: str, price_cents: int, stock: int, *, featured: bool = False) -> Product:
    return Product(slug=slug, name=name, category=category, price_cents=price_cents, stock=stock, featured=featured)
