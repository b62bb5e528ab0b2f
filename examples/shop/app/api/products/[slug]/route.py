"""One product: fresh. The featured ones are rendered at build, the others when somebody first asks for them.

PUT changes the price, and tells the cache: the next GET shows it.
"""

import logging
from typing import Annotated, Any

from fastapi import Depends
from millpond import after, not_found

from shop.admin import admin
from shop.upstream import PriceChange, featured, product, set_price

revalidate = 60

log = logging.getLogger("shop.prices")


async def generate_static_params() -> list[dict[str, str]]:
    return [{"slug": slug} for slug in await featured()]


async def GET(slug: str) -> dict[str, Any]:
    found = await product(slug)
    if found is None:
        not_found()  # stored like any answer: a product with this slug shows up when the 404 is a minute old
    return found


async def PUT(slug: str, change: PriceChange, _: Annotated[None, Depends(admin)]) -> dict[str, Any]:
    if not await set_price(slug, change):
        not_found()
    after(log.info, "price of %s: %d cents", slug, change.price_cents)  # once the answer is out
    # A request reads its own writes: what it has invalidated is fetched again. The next GET finds it in the cache.
    changed = await product(slug)
    return changed if changed is not None else not_found()
