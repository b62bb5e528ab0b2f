"""Metadata files that are served as they are: favicon.ico, icon.png, robots.txt (R7.8)."""

from __future__ import annotations

import hashlib
from types import ModuleType
from typing import TYPE_CHECKING

from starlette.responses import Response

from millpond.errors import MetadataError
from millpond.policy.segment import Dynamic, SegmentConfig
from millpond.routes.metadata_file import MetadataKind
from millpond.routes.module import RouteModule, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.routes.scan import RouteFile

REVALIDATED = "public, max-age=0, must-revalidate"
"""Kept by browsers, and asked about each time: the URL doesn't change with the content (D29)."""
NOT_KEPT = "no-cache, no-store"
"""In development (R13.25)."""

MEDIA_TYPES = {
    "gif": "image/gif",
    "ico": "image/x-icon",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/manifest+json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain",
    "webmanifest": "application/manifest+json",
    "xml": "application/xml",
}
"""By extension."""

_MEGABYTE = 1024 * 1024
_LARGEST = {MetadataKind.OPEN_GRAPH: 8 * _MEGABYTE, MetadataKind.TWITTER: 5 * _MEGABYTE}
"""What the sites that show the image take, in bytes (R7.12)."""


def load_file(file: RouteFile, *, development: bool) -> RouteModule:
    """A metadata file as a route with one GET, which is static.

    Raises:
        RouteModuleError: it can't be read.
    """
    return RouteModule(
        file=file,
        module=ModuleType(file.file),
        functions={"GET": _sender(file, NOT_KEPT if development else REVALIDATED)},
        config=SegmentConfig(dynamic=Dynamic.FORCE_STATIC),
        generate_static_params=None,
        lines={},
        warnings=(),
        digest=hashlib.sha256(read(file)).hexdigest(),
    )


def _sender(file: RouteFile, cache_control: str) -> Callable[[], Response]:
    media_type = MEDIA_TYPES[file.path.suffix.removeprefix(".")]

    def send() -> Response:
        content = read(file)
        _check_size(file, len(content))
        return plain_answer(content, media_type, cache_control)

    return send


def plain_answer(content: bytes, media_type: str, cache_control: str = REVALIDATED) -> Response:
    """An answer whose media type has no charset added, as the original's have none."""
    return Response(content, headers={"content-type": media_type, "cache-control": cache_control})


def _check_size(file: RouteFile, size: int) -> None:
    largest = _LARGEST.get(file.metadata.kind) if file.metadata is not None else None
    if largest is not None and size > largest:
        raise MetadataError(
            f"{file.file} has {size / _MEGABYTE:.1f} MB, and sites that show it take at most "
            f"{largest // _MEGABYTE} MB; make the image smaller, or save it as JPEG."
        )
