"""What an image file says of the image that it makes: `size`, `content_type`, `alt` (R7.18)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from millpond.errors import MetadataError
from millpond.metadata.dimensions import Dimensions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millpond.routes.module import RouteModule


def size_of(module: RouteModule, item: Mapping[str, Any] | None = None) -> Dimensions | None:
    """`size = {"width": …, "height": …}` of an image file, or of an item of its listing; None without one (R7.18).

    Raises:
        MetadataError: it has another shape.
    """
    size = _said(module, "size", item)
    if size is None:
        return None
    try:
        return Dimensions(int(size["width"]), int(size["height"]))
    except (TypeError, KeyError, ValueError, IndexError):
        _refuse(module, "size", item, 'write {"width": 1200, "height": 630}')


def text_of(module: RouteModule, name: str, item: Mapping[str, Any] | None = None) -> str | None:
    """`content_type` or `alt`, likewise.

    Raises:
        MetadataError: it is no text.
    """
    text = _said(module, name, item)
    if text is not None and not isinstance(text, str):
        _refuse(module, name, item, "write a text")
    return text


def _said(module: RouteModule, name: str, item: Mapping[str, Any] | None) -> Any:
    return (item or {}).get(name, getattr(module.module, name, None))


def _refuse(module: RouteModule, name: str, item: Mapping[str, Any] | None, remedy: str) -> NoReturn:
    place = module.place("generate_image_metadata" if name in (item or ()) else name)
    raise MetadataError(f"{place}: {name} is {_said(module, name, item)!r}; {remedy}.") from None
