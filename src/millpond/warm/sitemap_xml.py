"""Reads a sitemap or an index of sitemaps (sitemaps.org 0.9), which may come from anywhere: as a stream, within bounds.

Expat parses it. A document type declaration is refused, and with it every entity that a document could declare: neither
can it grow in memory (CVE-2003-1564), nor name a file or a host.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.parsers import expat

from millpond.metadata.sitemap import MOST_BYTES, MOST_URLS

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_URL = 8192
_DEEPEST = 16
_SEPARATOR = " "  # no namespace has one
_PRIORITY = 0.5
"""Of a page whose sitemap doesn't say."""


class BadSitemap(ValueError):
    """It isn't a sitemap, or is over a limit; the message says how."""


@dataclass(slots=True)
class Sitemap:
    """What a sitemap lists."""

    is_index: bool = False
    """Whether it lists sitemaps, and not pages."""
    urls: list[tuple[str, float]] = field(default_factory=list)
    """As they are written, with the priority, from 0 to 1."""


def read_sitemap(chunks: Iterable[bytes]) -> Sitemap:
    """The sitemap in a piece of XML.

    Raises:
        BadSitemap: it is something else, or longer than sitemaps may be.
    """
    reader = _Reader()
    for chunk in chunks:
        reader.feed(chunk)
    reader.feed(b"", last=True)
    return reader.found


class _Reader:
    def __init__(self) -> None:
        self.found = Sitemap()
        self._parser = parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._begin, self._end
        parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = self._add, self._refuse
        self._open: list[str] = []
        self._namespace = ""
        self._text: str | None = None
        self._url, self._priority, self._bytes = "", _PRIORITY, 0

    def feed(self, chunk: bytes, *, last: bool = False) -> None:
        self._bytes += len(chunk)
        if self._bytes > MOST_BYTES:
            raise BadSitemap(f"it is longer than {MOST_BYTES // 2**20} MiB, the limit of sitemaps.org")
        try:
            self._parser.Parse(chunk, last)
        except expat.ExpatError as error:
            raise BadSitemap(f"it is no well-formed XML: {error}") from None
        except (LookupError, ValueError) as error:  # an encoding that Python doesn't have, or that expat can't use
            if isinstance(error, BadSitemap):
                raise
            raise BadSitemap(f"its encoding can't be read: {error}") from None

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open:
            namespace, _, local = name.rpartition(_SEPARATOR)
            if local not in ("urlset", "sitemapindex"):
                raise BadSitemap(f"it begins with <{local[:40]}>, and neither with <urlset> nor with <sitemapindex>")
            self.found.is_index, self._namespace = local == "sitemapindex", f"{namespace} " if namespace else ""
        self._open.append(name.removeprefix(self._namespace))
        if len(self._open) > _DEEPEST:
            raise BadSitemap("its elements are nested more deeply than those of any sitemap")
        if len(self._open) == 2:
            self._url, self._priority = "", _PRIORITY
        if self._is_at("loc") or self._is_at("priority"):
            self._text = ""

    def _add(self, text: str) -> None:
        if self._text is not None:
            self._text += text
            if len(self._text) > _LONGEST_URL:
                raise BadSitemap(f"it has a URL of more than {_LONGEST_URL} characters")

    def _end(self, name: str) -> None:
        text = "" if self._text is None else self._text.strip()
        if self._is_at("loc"):
            self._url, self._text = text, None
        elif self._is_at("priority"):
            self._priority, self._text = _number(text), None
        elif len(self._open) == 2 and self._url:
            self.found.urls.append((self._url, self._priority))
            if len(self.found.urls) > MOST_URLS:
                raise BadSitemap(f"it lists more than {MOST_URLS} URLs, the limit of sitemaps.org")
        self._open.pop()

    def _is_at(self, name: str) -> bool:
        return len(self._open) == 3 and self._open[1] in ("url", "sitemap") and self._open[2] == name

    def _refuse(self, *_: object) -> None:
        raise BadSitemap("it has a document type declaration, which no sitemap needs")


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return _PRIORITY
    return number if 0 <= number <= 1 else _PRIORITY
