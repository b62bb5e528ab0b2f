"""The prices of a category: live, from cached data. The query makes the route live; what it needs is kept anyway."""

from millpond import not_found

from shop.upstream import PriceRange, price_range

advise_ok = ("live-query",)  # what is looked up is stored, so that a run takes no longer than a hit


async def GET(category: str) -> PriceRange:
    found = await price_range(category)
    return found if found is not None else not_found()
