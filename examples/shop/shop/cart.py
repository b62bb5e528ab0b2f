"""The cart: a cookie such as `oak-chair:2.paper-lamp:1`, which the customer holds, and so can write anything into."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import select

from shop.models import Product

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

COOKIE = "cart"
MOST = 99
"""Pieces of one product."""

_LINE = re.compile(r"([a-z0-9-]+):([1-9][0-9]?)", re.ASCII)


def read_cart(cookie: str | None) -> dict[str, int]:
    """Pieces by product. What isn't a line of a cart is left out."""
    lines = (_LINE.fullmatch(part) for part in (cookie or "").split("."))
    return {line[1]: int(line[2]) for line in lines if line}


def write_cart(cart: dict[str, int]) -> str:
    """The cookie for a cart."""
    return ".".join(f"{slug}:{min(pieces, MOST)}" for slug, pieces in cart.items())


def priced(cart: dict[str, int], session: Session) -> dict[str, object]:
    """The cart as the API shows it; products that are gone are left out."""
    products = session.scalars(select(Product).where(Product.slug.in_(cart)).order_by(Product.slug)).all()
    return {
        "lines": [{**product.as_dict(), "pieces": cart[product.slug]} for product in products],
        "total_cents": sum(product.price_cents * cart[product.slug] for product in products),
    }
