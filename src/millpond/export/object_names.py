"""How the file of an answer is called: one name for each path, which every place can hold and no two paths share."""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, NamedTuple

from millpond.serve.public.media_type import media_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Naming = Literal["files", "paths"]
"""`files`: with the extension of the answer's type, such as `products.json`. `paths`: as the path, `products`."""

_EXTENSIONS = {
    "application/javascript": ".js",
    "application/json": ".json",
    "application/manifest+json": ".webmanifest",
    "application/x-ndjson": ".ndjson",
    "application/xml": ".xml",
    "image/jpeg": ".jpg",
    "image/svg+xml": ".svg",
    "image/x-icon": ".ico",
    "text/html": ".html",
    "text/javascript": ".js",
    "text/markdown": ".md",
    "text/plain": ".txt",
    "text/xml": ".xml",
}
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*%]|[. ]$')
"""What a file's name can't have on every system; the percent sign, as it begins what stands for the others."""
_UNSAFE_IN_KEY = re.compile(r"[\x00-\x1f\x7f/]")
"""What a segment of an object's key can't have: a slash would end it."""
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
"""Names that are no files on Windows."""
_MOST_OF_SEGMENT, _MOST_OF_NAME = 180, 900
"""Bytes; file systems take 255 and 4096, object stores 1024. What stands behind a name, such as `.zst`, has room."""
_INDEX = "index"


class WantedName(NamedTuple):
    """A path that is to get a name."""

    path: str
    """As clients ask for it, decoded into segments by whoever made it: the key of the result."""
    segments: tuple[str, ...]
    """Decoded; with those of `base_path`."""
    ends_in_slash: bool
    content_type: str
    is_public: bool = False
    """Whether it is a file of `public/`, whose name is known already."""


def names_of(
    wanted: Iterable[WantedName], naming: Naming, reserved: Iterable[str], *, is_flat: bool
) -> Mapping[str, str]:
    """The name of each path, by the path. The same paths get the same names, whatever their order.

    Args:
        wanted: all paths; those of public files keep their names.
        naming: how they are called.
        reserved: names that nothing may have.
        is_flat: whether the place has no folders and tells upper case from lower case, as object stores do.
    """
    ordered = sorted(wanted, key=lambda each: (not each.is_public, each.path))
    first = [(each, _name(each, naming, is_flat=is_flat)) for each in ordered]
    folders = set() if is_flat else {folder for _, name in first for folder in _folders(_folded(name))}
    taken = {_folded(name) for name in reserved}
    names = {}
    for each, name in first:
        key = name if is_flat else _folded(name)
        if key in taken or key in folders or _length(name) > _MOST_OF_NAME:
            name = _distinct(each, name)
            key = name if is_flat else _folded(name)
        taken.add(key)
        names[each.path] = name
    return names


def _name(wanted: WantedName, naming: Naming, *, is_flat: bool) -> str:
    if wanted.is_public:
        return "/".join(wanted.segments)
    segments = [_segment(each, is_flat=is_flat) for each in wanted.segments]
    extension = extension_of(wanted.content_type) if naming == "files" else ""
    if not segments or wanted.ends_in_slash:
        return "/".join([*segments, _INDEX + (extension or ".html")])
    if extension and media_type(segments[-1]).partition(";")[0] != _plain(wanted.content_type):
        segments[-1] += extension
    return "/".join(segments)


def extension_of(content_type: str) -> str:
    """The extension of a media type, with its dot; "" if it has none."""
    plain = _plain(content_type)
    known = _EXTENSIONS.get(plain)
    if known is None and plain.endswith(("+json", "+xml")):
        known = f".{plain.rpartition('+')[2]}"
    return known or mimetypes.guess_extension(plain) or ""


def _plain(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _segment(text: str, *, is_flat: bool) -> str:
    """One segment as a name that leads nowhere else; what can't stand in it is percent-encoded."""
    if text in ("", ".", ".."):
        return "".join(f"%{ord(character):02X}" for character in text) or "%"
    safe = (_UNSAFE_IN_KEY if is_flat else _UNSAFE).sub(_encoded, text)
    if not is_flat and _DEVICES.fullmatch(safe):
        safe = _escape(safe[0]) + safe[1:]
    if is_flat or _length(safe) <= _MOST_OF_SEGMENT:
        return safe
    kept = safe.encode("utf-8")[:_MOST_OF_SEGMENT].decode("utf-8", "ignore")
    return f"{kept}~{_digest(text)}"


def _encoded(match: re.Match[str]) -> str:
    return _escape(match[0])


def _escape(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8"))


def _distinct(wanted: WantedName, name: str) -> str:
    """A name that no other path has: with a digest of the path."""
    folder, _, last = name.rpartition("/")
    if _length(name) > _MOST_OF_NAME:
        folder, last = "", last[-20:]
    stem, dot, extension = last.rpartition(".")
    if not stem:
        stem, dot, extension = last, "", ""
    last = f"{stem}~{_digest(wanted.path)}{dot}{extension}"
    return f"{folder}/{last}" if folder else last


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _folded(name: str) -> str:
    """Equal for names that some file system takes for one."""
    return unicodedata.normalize("NFC", name.casefold())


def _folders(name: str) -> Iterable[str]:
    parts: Sequence[str] = name.split("/")
    return ("/".join(parts[:number]) for number in range(1, len(parts)))


def _length(name: str) -> int:
    return len(name.encode("utf-8", "surrogatepass"))
