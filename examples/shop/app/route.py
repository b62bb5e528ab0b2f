"""The front page: fresh. Rendered at build, then again in the background when older than five minutes."""

from html import escape

from millpond import HTMLResponse

from shop.page import page
from shop.prices import shown
from shop.site import site_name
from shop.upstream import products

revalidate = 300
frozen_ok = ("env:SHOP_NAME", "env:SHOP_URL")  # meant, see below; `millpond start` warns when the server has others


async def GET() -> HTMLResponse:
    # Pitfall: this runs at build first. The page shows the value that SHOP_NAME has on the machine that builds,
    # until the server renders it again. A value that must be the server's own from the start needs a live route.
    name = site_name()
    # The list of `/api/products`, from one fetch: each caller says how old it may be. The page has its tags, too, and
    # so a change of a price reaches it.
    items = "\n".join(
        f'<li><a href="/products/{product["slug"]}">{escape(product["name"])}</a> {shown(product["price_cents"])}</li>'
        for product in await products(revalidate=300)
    )
    return page(name, "/", f"<h1>{escape(name)}</h1>\n<ul>\n{items}\n</ul>")
