"""The Content-Type of a file, by its name."""

from __future__ import annotations

import mimetypes
from pathlib import PurePath

_UTF_8 = "; charset=utf-8"

_TYPES = {
    ".avif": "image/avif",
    ".css": "text/css",
    ".csv": "text/csv",
    ".gif": "image/gif",
    ".htm": "text/html",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".jsonld": "application/ld+json",
    ".m4a": "audio/mp4",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".ogg": "audio/ogg",
    ".otf": "font/otf",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
    ".zst": "application/zstd",
}
"""What sites are made of: the tables of systems, and of versions of Python, differ in these."""

_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


def media_type(name: str) -> str:
    """The type of a file called `name`, with the charset if it is text; `application/octet-stream` if it is unknown.

    Further extensions are those of `mimetypes`, to which an application may add its own with `mimetypes.add_type`.
    """
    known = _TYPES.get(PurePath(name).suffix.lower())
    if known is None:
        known, packed = mimetypes.guess_type(name)
        if packed is not None:  # the file's type is that of the package, not of what is in it
            known = _PACKED.get(packed)
    if known is None:
        return "application/octet-stream"
    return known + _UTF_8 if known.startswith("text/") else known
