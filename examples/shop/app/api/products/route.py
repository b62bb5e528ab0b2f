"""All products, a page at a time: fresh, with one stored answer for each page and order."""

from typing import Annotated, Any, Literal

from fastapi import Query

from shop.upstream import products

revalidate = 60
cache_query = ("page", "sort")  # the only ones that GET can see; `?utm_source=…` changes nothing

PAGE = 4
"""Products on a page."""


async def GET(page: Annotated[int, Query(ge=1)] = 1, sort: Literal["name", "price"] = "name") -> list[dict[str, Any]]:
    found = await products()
    if sort == "price":
        found.sort(key=lambda product: product["price_cents"])
    return found[(page - 1) * PAGE : page * PAGE]
