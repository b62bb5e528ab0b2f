"""The catalogue's service, as the shop sees it: HTTP behind `fetch`, which caches the answers and knows their tags.

The service is in `app/upstream`, so that the shop runs alone. A whole URL, such as `https://catalogue.example`, in the
place of UPSTREAM is all that another one takes.

Tags, from wide to narrow: `products` is everything, `product-list` what shows several, `product:oak-chair` one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from millpond import cache_life, cached, fetch, revalidate_tag
from pydantic import BaseModel, Field

from shop.admin import HEADER, admin_token

UPSTREAM = "/upstream/products"

# Pitfall: a segment arrives decoded. `..` or `a?b`, put into a URL, would ask the service for something else.
_SLUG = re.compile(r"[a-z0-9-]{1,80}", re.ASCII)


class PriceChange(BaseModel):
    """What the service takes to change a price."""

    price_cents: Annotated[int, Field(gt=0, le=10_000_000)]


@dataclass
class PriceRange:
    """The prices of one category."""

    lowest_cents: int
    highest_cents: int


async def product(slug: str, *, revalidate: float = 60) -> dict[str, Any] | None:
    """One product; None when there is none. Data older than `revalidate` seconds is fetched again."""
    if not _SLUG.fullmatch(slug):
        return None
    answer = await fetch(f"{UPSTREAM}/{slug}", revalidate=revalidate, tags=["products", f"product:{slug}"])
    if answer.status_code == 404:
        return None
    # Pitfall: without this an error page of the service would be taken for a product. Raised in the background, it
    # keeps the last good answer.
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


async def products(*, revalidate: float = 60) -> list[dict[str, Any]]:
    """All products, by name."""
    answer = await fetch(UPSTREAM, revalidate=revalidate, tags=["products", "product-list"])
    found: list[dict[str, Any]] = answer.raise_for_status().json()
    return found


async def featured() -> list[str]:
    """The slugs of the products that are rendered at build."""
    answer = await fetch(f"{UPSTREAM}?featured=true")
    return [product["slug"] for product in answer.raise_for_status().json()]


@cached
async def price_range(category: str) -> PriceRange | None:
    """The prices of a category; None when it is empty. Computed at most once an hour, and after a change."""
    cache_life("hours")
    prices = [found["price_cents"] for found in await products() if found["category"] == category]  # with its tags
    return PriceRange(min(prices), max(prices)) if prices else None


async def set_price(slug: str, change: PriceChange) -> bool:
    """Tell the service, and then the cache. False when there is no such product.

    The service is told the shop's own token, whoever of its admins has changed the price.
    """
    if not _SLUG.fullmatch(slug):
        return False
    headers = {HEADER: admin_token()}
    answer = await fetch(f"{UPSTREAM}/{slug}", method="PUT", json=change.model_dump(), headers=headers)
    if answer.status_code == 404:
        return False
    answer.raise_for_status()
    revalidate_tag(f"product:{slug}", {"expire": 0})
    revalidate_tag("product-list", {"expire": 0})
    return True
