"""ImageResponse: a picture that is drawn for an answer."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING

from starlette.responses import Response

from millpond.errors import UsageError
from millpond.messages import one_of
from millpond.metadata.drawing import FORMATS, Picture, drawn, media_type_of
from millpond.metadata.static_files import REVALIDATED
from millpond.render.scopes.current_scope import current

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from starlette.background import BackgroundTask
    from starlette.types import Receive, Scope, Send


class ImageResponse(Response):
    """A picture: 1200 by 630 pixels and PNG unless told otherwise; equal content makes equal bytes.

    It is drawn in a thread when the answer is sent, so the event loop never waits for it. Needs the extra `og`.

    Args:
        content: a pictex element, its Canvas or the bitmap that it rendered; a text; a Pillow image; the bytes of a
            finished picture, which need no extra; or None for an empty, transparent picture.
        width: pixels; with a Pillow image, a bitmap or bytes, whose size is their own, leave it out.
        height: pixels, likewise.
        status_code: of the answer.
        headers: more headers; yours win (R7.10).
        media_type: "image/png", "image/jpeg" or "image/webp"; bytes keep what they are.
        fonts: font files for texts that name no font, the first that has the character; relative to the project.
        quality: of JPEG and WebP, 1 to 100.
        background: runs when the answer has been sent.

    Raises:
        UsageError: the extra isn't installed, or the content, the type or the size makes no sense.
    """

    def __init__(
        self,
        content: object,
        *,
        width: int | None = None,
        height: int | None = None,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        fonts: Sequence[str | os.PathLike[str]] = (),
        quality: int = 90,
        background: BackgroundTask | None = None,
    ) -> None:
        if isinstance(content, bytes):
            media_type = media_type or media_type_of(content)
        elif media_type is not None and media_type not in FORMATS:
            raise UsageError(f'ImageResponse can\'t make "{media_type}"; it makes {one_of(FORMATS)}.')
        scope = current()
        project = None if scope is None else scope.project
        self.picture = Picture.of(content, width, height, media_type or "image/png", quality, fonts, project)
        self.status_code = status_code
        self.media_type = media_type or "image/png"
        self.background = background
        self.body = b""  # drawn when it is sent
        given = {name.lower() for name in headers or ()}
        defaults = {"content-type": self.media_type, "cache-control": REVALIDATED}
        self.init_headers({**{name: value for name, value in defaults.items() if name not in given}, **(headers or {})})

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """As Starlette's, without a length: it isn't known before the picture is drawn."""
        super().init_headers(headers)
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.body = await drawn(self.picture, contextvars.copy_context())
        self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)
