"""The icon on a telephone's home screen, which rounds the corners itself: static."""

from millpond import ImageResponse

from shop.pictures import icon

size = {"width": 180, "height": 180}
content_type = "image/png"


def apple_icon() -> ImageResponse:
    return icon(size["width"], rounded=False)
