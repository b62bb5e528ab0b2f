"""Sitemaps: their fields, and their XML (R7.15; sitemaps.org 0.9, with Google's images and videos)."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, NotRequired
from xml.etree import ElementTree

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from millpond.errors import MetadataError
from millpond.metadata.validation import XML_TEXT, number, refuse_shape, shaped

MOST_URLS = 50_000
MOST_BYTES = 50 * 1024 * 1024
"""The limits of sitemaps.org, of one file before compression."""
_LONGEST_URL = 2048
_URL = re.compile(r"https?://[^\s/]+\S*")
_STRICT = ConfigDict(extra="forbid", strict=True)
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
_EXTENSIONS = {
    "images": ("xmlns:image", "http://www.google.com/schemas/sitemap-image/1.1"),
    "videos": ("xmlns:video", "http://www.google.com/schemas/sitemap-video/1.1"),
    "alternates": ("xmlns:xhtml", "http://www.w3.org/1999/xhtml"),
}
"""The namespaces that are declared where an entry has the field."""


def _absolute(url: str) -> str:
    if not _URL.fullmatch(url):
        raise ValueError("a whole URL, with https:// and the host: readers of a sitemap know no base")
    if len(url) > _LONGEST_URL:
        raise ValueError(f"a URL of at most {_LONGEST_URL} characters")
    return url


Url = Annotated[str, AfterValidator(_absolute)]
When = str | datetime | date
"""Text is written as it is; a datetime without a zone is taken as UTC."""
YesNo = Literal["yes", "no"]


@with_config(_STRICT)
class SitemapRestriction(TypedDict):
    """Countries, or platforms ("web", "mobile", "tv"), divided by spaces, that a video is for or isn't."""

    relationship: Literal["allow", "deny"]
    content: str


@with_config(_STRICT)
class SitemapUploader(TypedDict):
    """Who uploaded a video."""

    content: str
    info: NotRequired[Url]


@with_config(_STRICT)
class SitemapVideo(TypedDict):
    """A video on a page, in the fields of Google's extension."""

    title: str
    thumbnail_loc: Url
    description: str
    content_loc: NotRequired[Url]
    player_loc: NotRequired[Url]
    duration: NotRequired[Annotated[int, Field(ge=1, le=28800)]]
    """Seconds."""
    view_count: NotRequired[Annotated[int, Field(ge=0)]]
    tag: NotRequired[str | list[str]]
    rating: NotRequired[Annotated[float, Field(ge=0, le=5)]]
    expiration_date: NotRequired[When]
    publication_date: NotRequired[When]
    family_friendly: NotRequired[YesNo]
    requires_subscription: NotRequired[YesNo]
    live: NotRequired[YesNo]
    restriction: NotRequired[SitemapRestriction]
    platform: NotRequired[SitemapRestriction]
    uploader: NotRequired[SitemapUploader]


@with_config(_STRICT)
class Alternates(TypedDict):
    """The same page in other languages: "de", "pt-BR" or "x-default" -> URL."""

    languages: NotRequired[dict[str, Url]]


@with_config(_STRICT)
class SitemapEntry(TypedDict):
    """One URL of a sitemap."""

    url: Url
    last_modified: NotRequired[When]
    change_frequency: NotRequired[Literal["always", "hourly", "daily", "weekly", "monthly", "yearly", "never"]]
    priority: NotRequired[Annotated[float, Field(ge=0, le=1)]]
    alternates: NotRequired[Alternates]
    images: NotRequired[list[Url]]
    videos: NotRequired[list[SitemapVideo]]


_FIELDS = [*SitemapEntry.__annotations__, *SitemapVideo.__annotations__, *Alternates.__annotations__]


@functools.cache
def _shape() -> TypeAdapter[Any]:
    return TypeAdapter(SitemapEntry)


def sitemap_xml(returned: object) -> bytes:
    """The sitemap of what `sitemap()` returned.

    Raises:
        MetadataError: it isn't a list of entries, an entry is wrong, or there are more than 50,000 of them, or 50 MiB.
    """
    if isinstance(returned, str | bytes | Mapping) or not isinstance(returned, Iterable):
        refuse_shape(returned, "sitemap", "a list of entries")
    given = list(returned)
    if len(given) > MOST_URLS:
        _refuse_size(f"{len(given):,} URLs, and a sitemap has at most {MOST_URLS:,}")
    entries = [
        shaped(_shape(), entry, f"entry {index} of sitemap()", forbidden=XML_TEXT, names=_FIELDS)
        for index, entry in enumerate(given)
    ]
    content: bytes = _DECLARATION + ElementTree.tostring(_urlset(entries), encoding="utf-8", xml_declaration=False)
    if len(content) > MOST_BYTES:
        _refuse_size(f"{len(content):,} bytes, and a sitemap has at most {MOST_BYTES:,}")
    return content


def _refuse_size(what: str) -> None:
    raise MetadataError(
        f'sitemap() makes {what}; add generate_sitemaps(), which returns [{{"id": 0}}, {{"id": 1}}, …], and return '
        "one part from sitemap(id)."
    )


def _urlset(entries: list[dict[str, Any]]) -> ElementTree.Element:
    used = {field for field in _EXTENSIONS if any(entry.get(field) for entry in entries)}
    declared = dict(_EXTENSIONS[field] for field in _EXTENSIONS if field in used)
    urlset = ElementTree.Element("urlset", {"xmlns": _NAMESPACE, **declared})
    urlset.text = urlset.tail = "\n"
    for entry in entries:
        _add_entry(urlset, entry)
    return urlset


def _add_entry(urlset: ElementTree.Element, entry: dict[str, Any]) -> None:
    url = _add(urlset, "url", "\n")
    _add(url, "loc", entry["url"])
    for language, href in entry.get("alternates", {}).get("languages", {}).items():
        _add(url, "xhtml:link", None, rel="alternate", hreflang=language, href=href)
    for image in entry.get("images", ()):
        _add(_add(url, "image:image", "\n"), "image:loc", image)
    for video in entry.get("videos", ()):
        _add_video(url, video)
    if "last_modified" in entry:
        _add(url, "lastmod", _written(entry["last_modified"]))
    if "change_frequency" in entry:
        _add(url, "changefreq", entry["change_frequency"])
    if "priority" in entry:
        _add(url, "priority", _written(entry["priority"]))


def _add_video(url: ElementTree.Element, video: dict[str, Any]) -> None:
    element = _add(url, "video:video", "\n")
    for field in SitemapVideo.__annotations__:
        if field not in video:
            continue
        values = video[field] if isinstance(video[field], list) else [video[field]]
        for value in values:
            if isinstance(value, dict):
                attributes = {name: text for name, text in value.items() if name != "content"}
                _add(element, f"video:{field}", value["content"], **attributes)
            else:
                _add(element, f"video:{field}", _written(value))


def _add(parent: ElementTree.Element, name: str, text: str | None, **attributes: str) -> ElementTree.Element:
    """An element on a line of its own."""
    element = ElementTree.SubElement(parent, name, attributes)
    element.text, element.tail = text, "\n"
    return element


def _written(value: str | float | date) -> str:
    match value:
        case str():
            return value
        case datetime():
            moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
            return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case _:
            return number(value)
