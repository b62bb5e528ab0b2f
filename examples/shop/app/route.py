"""The front page: fresh. Rendered at build, then again in the background when older than five minutes."""

import os
from html import escape

from millpond import HTMLResponse

from shop.upstream import products

revalidate = 300


async def GET() -> HTMLResponse:
    # Pitfall: this runs at build first. The page shows the value that SHOP_NAME has on the machine that builds,
    # until the server renders it again. A value that must be the server's own from the start needs a live route.
    name = escape(os.environ.get("SHOP_NAME", "The Millpond shop"))
    # The list of `/api/products`, from one fetch: each caller says how old it may be. The page has its tags, too, and
    # so a change of a price reaches it.
    items = "\n".join(
        f'<li><a href="/api/products/{product["slug"]}">{escape(product["name"])}</a>'
        f" {product['price_cents'] // 100}.{product['price_cents'] % 100:02d}</li>"
        for product in await products(revalidate=300)
    )
    return HTMLResponse(f"<!doctype html>\n<title>{name}</title>\n<h1>{name}</h1>\n<ul>\n{items}\n</ul>\n")
