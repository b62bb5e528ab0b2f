"""Metadata files by their names: sitemap.py, robots.txt, icon1.png … and the URLs that they answer (R7.1 to R7.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from millpond.routes.folder import Segment, SegmentKind

if TYPE_CHECKING:
    from collections.abc import Sequence

METADATA_ID = "__metadata_id__"
"""The parameter that holds the id where one file makes several answers (R7.5)."""

PLACEHOLDER = "-"
"""What stands for each parameter in the one URL of an image file below parameters (R7.4)."""


class MetadataKind(StrEnum):
    """What a metadata file describes; the value is its name in URLs."""

    FAVICON = "favicon"
    ICON = "icon"
    APPLE_ICON = "apple-icon"
    OPEN_GRAPH = "opengraph-image"
    TWITTER = "twitter-image"
    SITEMAP = "sitemap"
    ROBOTS = "robots"
    MANIFEST = "manifest"

    @property
    def numbered(self) -> bool:
        """Whether there may be several in one folder: icon1.png, icon2.png (R7.1)."""
        return self in _NUMBERED

    @property
    def root_only(self) -> bool:
        return self in _ROOT_ONLY

    @property
    def function(self) -> str:
        """The function of the Python file: `apple_icon`."""
        return self.value.replace("-", "_")

    @property
    def listing(self) -> str | None:
        """The function that lists ids, where there can be one (R7.5)."""
        if self is MetadataKind.SITEMAP:
            return "generate_sitemaps"
        return "generate_image_metadata" if self.numbered else None


_NUMBERED = {MetadataKind.ICON, MetadataKind.APPLE_ICON, MetadataKind.OPEN_GRAPH, MetadataKind.TWITTER}
_ROOT_ONLY = {MetadataKind.FAVICON, MetadataKind.ROBOTS, MetadataKind.MANIFEST}

_EXTENSIONS = {
    MetadataKind.FAVICON: ("ico",),
    MetadataKind.ICON: ("ico", "jpg", "jpeg", "png", "svg"),
    MetadataKind.APPLE_ICON: ("jpg", "jpeg", "png"),
    MetadataKind.OPEN_GRAPH: ("jpg", "jpeg", "png", "gif"),
    MetadataKind.TWITTER: ("jpg", "jpeg", "png", "gif"),
    MetadataKind.SITEMAP: ("xml",),
    MetadataKind.ROBOTS: ("txt",),
    MetadataKind.MANIFEST: ("json", "webmanifest"),
}
_GENERATED = {MetadataKind.SITEMAP: ".xml", MetadataKind.ROBOTS: ".txt", MetadataKind.MANIFEST: ".webmanifest"}
"""The extension in the URL of what a Python file makes; images have none."""


@dataclass(frozen=True, slots=True)
class MetadataFile:
    """What the name of a metadata file says."""

    kind: MetadataKind
    number: str
    """ "1" for icon1.png; mostly ""."""
    extension: str
    """Without the dot; "py" for one that is made by a function."""

    @property
    def generated(self) -> bool:
        return self.extension == "py"

    @property
    def image(self) -> bool:
        return self.kind.numbered

    def segments(self, folders: Sequence[str], *, lists_ids: bool) -> tuple[Segment, ...]:
        """What it adds to the URL of its folder; `folders` are those below app/, as they are written."""
        stem = f"{self.kind}{self.number}{_suffix(folders) if self.image else ''}"
        if lists_ids:
            return (_literal(stem), Segment(SegmentKind.PARAM, METADATA_ID, f"[{METADATA_ID}]"))
        extension = _GENERATED.get(self.kind, "") if self.generated else f".{self.extension}"
        return (_literal(stem + extension),)


def _literal(name: str) -> Segment:
    return Segment(SegmentKind.LITERAL, name, name)


def metadata_file(name: str, *, at_root: bool) -> MetadataFile | None:
    """What a file of that name is, in app/ itself or in a folder below it; None for any other file."""
    stem, _, extension = name.rpartition(".")
    match = _STEM.fullmatch(stem)
    if match is None:
        return None
    generated = extension == "py"
    kind = _KINDS.get(match["name"].replace("_", "-") if generated else match["name"])
    if kind is None or (match["number"] and not kind.numbered) or (kind.root_only and not at_root):
        return None
    if generated and ("-" in stem or kind is MetadataKind.FAVICON):
        return None
    return MetadataFile(kind, match["number"], extension) if generated or extension in _EXTENSIONS[kind] else None


_STEM = re.compile(r"(?P<name>[a-z_-]+)(?P<number>[0-9]?)")
_KINDS = {kind.value: kind for kind in MetadataKind}


def _suffix(folders: Sequence[str]) -> str:
    """Tells images of several groups or slots at one URL apart (R7.3); "" below none."""
    if not any((name.startswith("(") and name.endswith(")")) or name.startswith("@") for name in folders):
        return ""
    return "-" + _base36(_djb2("/" + "/".join(folders)))[:6]


def _djb2(text: str) -> int:
    units = text.encode("utf-16-le", "surrogatepass")  # the hash is over UTF-16 units
    value = 5381
    for low, high in zip(units[::2], units[1::2], strict=True):
        value = (value * 33 + (low | high << 8)) & 0xFFFFFFFF
    return value


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"


def is_metadata_path(pattern: str) -> bool:
    """Whether a route of that pattern counts as metadata: static by default in every version (R7.11, R7.13, K.10)."""
    return _METADATA_PATH.search(pattern.removesuffix(f"/[{METADATA_ID}]")) is not None


_METADATA_PATH = re.compile(
    r"^/(robots(\.txt)?|manifest(\.(webmanifest|json))?|favicon\.ico)$"
    r"|/sitemap(\.xml)?$"
    + "".join(
        rf"|/{kind}[0-9]?(-\w{{6}})?(\.({'|'.join(extensions)}))?$"
        for kind, extensions in _EXTENSIONS.items()
        if kind.numbered
    )
)
