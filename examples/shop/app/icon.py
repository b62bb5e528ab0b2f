"""The icon in the sizes that the manifest names: static, each drawn at build. Tabs take icon.svg and favicon.ico."""

from typing import Any

from millpond import ImageResponse

from shop.pictures import icon as drawn

content_type = "image/png"


def generate_image_metadata() -> list[dict[str, Any]]:
    return [{"id": str(side), "size": {"width": side, "height": side}} for side in (192, 512)]


def icon(id: int) -> ImageResponse:  # noqa: A002 - its name
    return drawn(id, rounded=True)
