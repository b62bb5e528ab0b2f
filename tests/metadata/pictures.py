"""Small pictures for the tests."""

from __future__ import annotations

import io

import PIL.Image


def picture(kind: str = "PNG", size: tuple[int, int] = (16, 16), color: str = "red") -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", size, color).save(file, kind)
    return file.getvalue()


def opened(content: bytes) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(content))
