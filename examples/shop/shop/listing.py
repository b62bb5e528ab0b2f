"""The products as search engines get them: in parts, straight from the database."""

from __future__ import annotations

from millpond import cache_life, cache_tag, cached
from sqlalchemy import func, select

from shop.db import open_session
from shop.models import Product

EACH = 4
"""Products in one part. Up to 50,000 are allowed; with so few, a small shop has several parts, too."""


@cached
def parts() -> int:
    """How many parts there are. `products` is the tag of everything, so an import of products reaches them."""
    cache_life("hours")
    cache_tag("products")
    with open_session() as session:
        return -(-(session.scalar(select(func.count()).select_from(Product)) or 0) // EACH)


@cached
def slugs(part: int) -> list[str]:
    """The products of one part."""
    cache_life("hours")
    cache_tag("products")
    with open_session() as session:
        return list(session.scalars(select(Product.slug).order_by(Product.slug).offset(part * EACH).limit(EACH)))
