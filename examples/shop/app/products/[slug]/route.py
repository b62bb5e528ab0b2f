"""The page of a product: fresh. Its head has the tags of the metadata files: icons, manifest, the product's card."""

from html import escape

from millpond import HTMLResponse, not_found

from shop.page import page
from shop.prices import shown
from shop.upstream import featured, product

revalidate = 60
frozen_ok = ("env:SHOP_URL",)


async def generate_static_params() -> list[dict[str, str]]:
    return [{"slug": slug} for slug in await featured()]


async def GET(slug: str) -> HTMLResponse:
    found = await product(slug)
    if found is None:
        not_found()
    name, path = escape(found["name"]), f"/products/{slug}"
    body = (
        f"<h1>{name}</h1>\n<p>{shown(found['price_cents'])}</p>\n"
        f'<p><img src="{path}/opengraph-image" width="600" height="315" alt="{name} on its card"></p>\n'
        f'<p><a href="/">All products</a> <a href="/api/products/{slug}">JSON</a></p>'
    )
    return page(found["name"], path, body)
