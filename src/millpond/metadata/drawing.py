"""Pictures as bytes: what pictex or Pillow made, drawn in a thread, one at a time."""

from __future__ import annotations

import copy
import io
import sys
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from anyio.lowlevel import RunVar

from millpond.errors import UsageError
from millpond.metadata.library_work import library_work

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from contextvars import Context

    from pictex import Canvas
    from PIL.Image import Image

WIDTH, HEIGHT = 1200, 630
"""Pixels: what the sites that show shared links ask for."""

FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
"""What Pillow calls the types that can be made."""

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"\0\0\1\0", "image/x-icon"),
)
_PICTEX_KINDS = ("Element", "Canvas", "BitmapImage")
_INSTALL = "run: pip install millpond[og]"

_pictex = threading.Lock()
"""pictex keeps the fonts that it has loaded in a list of its module, unguarded."""
_slots: RunVar[anyio.CapacityLimiter] = RunVar("millpond_drawing_slots")
"""Pictures take one of the threads that sync handlers run in, and not all of them."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be drawn."""

    content: object
    width: int | None
    height: int | None
    media_type: str
    quality: int
    fonts: tuple[Path, ...]

    @classmethod
    def of(
        cls,
        content: object,
        width: int | None,
        height: int | None,
        media_type: str,
        quality: int,
        fonts: Sequence[str | os.PathLike[str]],
        project: Path | None,
    ) -> Picture:
        """A picture of what a user gave.

        Raises:
            UsageError: as ImageResponse says.
        """
        for name, value in (("width", width), ("height", height)):
            if value is not None and value < 1:
                raise UsageError(f"{name} = {value}: a picture has at least one pixel.")
        if not 1 <= quality <= 100:
            raise UsageError(f"quality = {quality}: it must be from 1 to 100.")
        _check_content(content)
        _check_own_size(content, width, height)
        return cls(content, width, height, media_type, quality, tuple(_font(font, project) for font in fonts))

    def draw(self) -> bytes:
        """The bytes of what isn't bytes already; equal for equal content, on every machine that has the fonts."""
        with pictures_work():
            return self._drawn()

    def _drawn(self) -> bytes:
        image = _as_pillow(self)
        if self.media_type == "image/jpeg" and image.mode not in ("L", "RGB", "CMYK"):
            image = _on_white(image)
        file = io.BytesIO()
        options = {} if self.media_type == "image/png" else {"quality": self.quality}
        image.save(file, FORMATS[self.media_type], **options)
        return file.getvalue()


async def drawn(picture: Picture, context: Context) -> bytes:
    """The bytes of a picture, from a thread; `context` is what it runs in."""
    if isinstance(picture.content, bytes):
        return picture.content
    try:
        slots = _slots.get()
    except LookupError:
        slots = anyio.CapacityLimiter(1)
        _slots.set(slots)
    async with slots:
        return await anyio.to_thread.run_sync(context.run, picture.draw)


def pictures_work() -> AbstractContextManager[None]:
    """Around what pictex and Pillow do: they work alone, unless somebody has derived a class from one of theirs."""
    named = [("pictex", kind) for kind in _PICTEX_KINDS] + [("PIL.Image", "Image")]
    classes = [kind for kind in (_loaded(module, name) for module, name in named) if isinstance(kind, type)]
    for kind in classes:  # grows meanwhile
        classes += kind.__subclasses__()
    is_theirs = all(kind.__module__.partition(".")[0] in ("pictex", "PIL") for kind in classes)
    return library_work() if is_theirs else nullcontext()


def media_type_of(content: bytes) -> str:
    """The type of a finished picture.

    Raises:
        UsageError: it is none that is known.
    """
    for signature, media_type in _SIGNATURES:
        if content.startswith(signature):
            return media_type
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if b"<svg" in content[:1024]:
        return "image/svg+xml"
    raise UsageError("these bytes are no picture that ImageResponse knows; say what they are with media_type.")


def _check_content(content: object) -> None:
    """Without importing what the user hasn't: a pictex element comes from a pictex that is there."""
    if isinstance(content, bytes) or _is_pillow(content) or _pictex_kind(content) is not None:
        return
    if content is None:
        if _missing("PIL"):
            raise UsageError(f"ImageResponse writes pictures with Pillow, which isn't installed; {_INSTALL}")
        return
    if isinstance(content, str):
        if _missing("pictex"):
            raise UsageError(f"ImageResponse draws texts and elements with pictex, which isn't installed; {_INSTALL}")
        return
    raise UsageError(
        f"ImageResponse can't draw a value of type {type(content).__name__}; give it a pictex element, a Pillow image, "
        f"bytes, a text, or None for an empty picture. For pictex and Pillow {_INSTALL}"
    )


def _missing(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is None


def _is_pillow(content: object) -> bool:
    return isinstance(content, _loaded("PIL.Image", "Image"))


def _pictex_kind(content: object) -> str | None:
    """ "Element", "Canvas" or "BitmapImage"; None for anything else."""
    return next((kind for kind in _PICTEX_KINDS if isinstance(content, _loaded("pictex", kind))), None)


def _loaded(module: str, name: str) -> Any:
    """A class of a module, if it is there; it may lack it still, while another thread imports the module."""
    return getattr(sys.modules.get(module), name, ())


def _check_own_size(content: Any, width: int | None, height: int | None) -> None:
    if not _is_pillow(content) and _pictex_kind(content) != "BitmapImage":
        return
    for name, wanted, own in (("width", width, content.width), ("height", height, content.height)):
        if wanted is not None and wanted != own:
            raise UsageError(
                f"{name} = {wanted}, but the image is {content.width}x{content.height}; resize it, or leave {name} out."
            )


def _font(font: str | os.PathLike[str], project: Path | None) -> Path:
    path = Path(font)
    path = path if project is None else project / path
    if not path.is_file():
        raise UsageError(f"there is no font {path}; give a file of the project, such as fonts/Lora.ttf.")
    return path


def _as_pillow(picture: Picture) -> Image:
    content: Any = picture.content
    if _is_pillow(content):
        return content  # type: ignore[no-any-return]
    width, height = picture.width or WIDTH, picture.height or HEIGHT
    if content is None:
        return _empty(width, height)
    with _pictex:
        if _pictex_kind(content) == "BitmapImage":
            return _pixels(content)
        canvas, elements = _canvas(content)
        canvas.size(width, height)
        if picture.fonts:
            canvas.font_family(picture.fonts[0]).font_fallbacks(*picture.fonts[1:])
        bitmap = canvas.render(*elements)
        box = bitmap.content_box  # what lies outside, such as a text that is too long, is cut off
        return _pixels(bitmap).crop((int(box.x), int(box.y), int(box.x) + width, int(box.y) + height))


def _empty(width: int, height: int) -> Image:
    """A transparent picture."""
    import PIL.Image

    return PIL.Image.new("RGBA", (width, height))


def _canvas(content: Any) -> tuple[Canvas, list[Any]]:
    import pictex

    from millpond.internals import pictex_memory  # here, as it needs pictex

    pictex_memory.install()
    if isinstance(content, pictex.Canvas):
        return copy.deepcopy(content), []
    return pictex.Canvas(), [content]  # type: ignore[no-untyped-call]


def _pixels(bitmap: Any) -> Image:
    try:
        return bitmap.to_pillow()  # type: ignore[no-any-return]
    except ImportError as error:
        raise UsageError(f"ImageResponse writes pictures with Pillow, which isn't installed; {_INSTALL}") from error


def _on_white(image: Image) -> Image:
    """JPEG has no transparency: what shows through is white."""
    import PIL.Image

    image = image.convert("RGBA")
    ground = PIL.Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground
