"""The picture beside a link to a product: fresh, drawn from the data of its page.

It has the tags of that data, so a changed price draws it again. One that comes out equal keeps its ETag.
"""

from millpond import ImageResponse, not_found
from starlette.concurrency import run_in_threadpool

from shop.pictures import product_card
from shop.upstream import featured, product

revalidate = 60
frozen_ok = ("env:SHOP_NAME",)
size = {"width": 1200, "height": 630}
content_type = "image/png"
alt = "The product, its price, and whether it is in stock"


async def generate_static_params() -> list[dict[str, str]]:
    return [{"slug": slug} for slug in await featured()]


async def opengraph_image(slug: str) -> ImageResponse:
    found = await product(slug)
    if found is None:
        not_found()
    # Pitfall: ImageResponse draws in a thread, but putting the card together takes a few hundredths of a second, too.
    return await run_in_threadpool(product_card, found, **size)
