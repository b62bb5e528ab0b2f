"""What is known of an image before it is drawn: by the first bytes of its file, or by what its module says (R7.18)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from millpond.errors import MetadataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millpond.routes.module import RouteModule


class Dimensions(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""The JPEG markers whose segment begins with the size (ITU T.81, B.2.2)."""


def dimensions(content: bytes) -> Dimensions | None:
    """The size of a PNG, JPEG, GIF or ICO; None for anything else, such as an SVG, or a file that is cut short."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return Dimensions(*struct.unpack_from(">II", content, 16))
        if content[:6] in (b"GIF87a", b"GIF89a"):
            return Dimensions(*struct.unpack_from("<HH", content, 6))
        if content.startswith(b"\xff\xd8"):
            return _jpeg(content)
        if content.startswith(b"\0\0\1\0"):
            return _icon(content)
    except struct.error:
        return None
    return None


def _jpeg(content: bytes) -> Dimensions | None:
    at = 2
    while at < len(content) - 1:
        if content[at] != 0xFF:
            return None
        marker = content[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return Dimensions(width, height)
        standalone = marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD8
        at += (1 if marker == 0xFF else 2) if standalone else 2 + struct.unpack_from(">H", content, at + 2)[0]
    return None


def _icon(content: bytes) -> Dimensions | None:
    """The largest of an ICO's pictures; 0 stands for 256."""
    (number,) = struct.unpack_from("<H", content, 4)
    sizes = [struct.unpack_from("<BB", content, 6 + 16 * index) for index in range(number)]
    return max((Dimensions(width or 256, height or 256) for width, height in sizes), default=None)


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
    """`content_type` or `alt` of an image file, or of an item of its listing; None without one.

    Raises:
        MetadataError: it is no text.
    """
    text = _said(module, name, item)
    if text is not None and not isinstance(text, str):
        _refuse(module, name, item, "write a text")
    return text


def _said(module: RouteModule, name: str, item: Mapping[str, Any] | None) -> Any:
    own = None if item is None else item.get(name)
    return getattr(module.module, name, None) if own is None else own


def _refuse(module: RouteModule, name: str, item: Mapping[str, Any] | None, remedy: str) -> NoReturn:
    place = module.place("generate_image_metadata" if item is not None and item.get(name) is not None else name)
    raise MetadataError(f"{place}: {name} is {_said(module, name, item)!r}; {remedy}.") from None
