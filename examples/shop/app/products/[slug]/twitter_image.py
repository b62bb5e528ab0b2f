"""The same for X, which shows pictures that are twice as wide as high."""

from millpond import ImageResponse, not_found
from starlette.concurrency import run_in_threadpool

from shop.pictures import product_card
from shop.upstream import featured, product

revalidate = 60
frozen_ok = ("env:SHOP_NAME",)
size = {"width": 1200, "height": 600}
content_type = "image/png"
alt = "The product, its price, and whether it is in stock"


async def generate_static_params() -> list[dict[str, str]]:
    return [{"slug": slug} for slug in await featured()]


async def twitter_image(slug: str) -> ImageResponse:
    found = await product(slug)
    if found is None:
        not_found()
    return await run_in_threadpool(product_card, found, **size)
