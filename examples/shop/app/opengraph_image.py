"""The picture beside a link to the shop: static."""

from millpond import ImageResponse

from shop.pictures import shop_card
from shop.site import site_name

frozen_ok = ("env:SHOP_NAME",)
size = {"width": 1200, "height": 630}
content_type = "image/png"
alt = "The Millpond shop: chairs, desks and lamps"


def opengraph_image() -> ImageResponse:
    return shop_card(site_name(), **size)
