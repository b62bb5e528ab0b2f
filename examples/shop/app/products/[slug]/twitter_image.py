"""The same for X, which shows pictures that are twice as wide as high."""

from millpond import ImageResponse, not_found

from shop.pictures import product_card
from shop.upstream import featured, product

revalidate = 60
size = {"width": 1200, "height": 600}
content_type = "image/png"
alt = "The product, its price, and whether it is in stock"


async def generate_static_params() -> list[dict[str, str]]:
    return [{"slug": slug} for slug in await featured()]


async def twitter_image(slug: str) -> ImageResponse:
    found = await product(slug)
    if found is None:
        not_found()
    return product_card(found, **size)
