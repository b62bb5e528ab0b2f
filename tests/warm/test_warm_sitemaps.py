"""Sitemaps from anywhere: what they list, and what they can't do."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

import pytest

from millpond.errors import CommandError
from millpond.metadata.sitemap import MOST_BYTES, MOST_URLS
from millpond.warm.outcome import Outcome, Warmed
from millpond.warm.sitemap_reading import MOST_SITEMAPS, pages_of
from millpond.warm.sitemap_xml import BadSitemap, Sitemap, read_sitemap
from millpond.warm.source_file import paths_in
from millpond.warm.unpacking import CantUnpack, unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.anyio

NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
IMAGES = 'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'


def urlset(*urls: str, priority: str = "") -> bytes:
    pages = "".join(f"<url><loc> {url} </loc>{priority}</url>" for url in urls)
    return f'<?xml version="1.0"?><urlset {NAMESPACE} {IMAGES}>{pages}</urlset>'.encode()


def index(*urls: str) -> bytes:
    sitemaps = "".join(f"<sitemap><loc>{url}</loc><lastmod>2026-01-01</lastmod></sitemap>" for url in urls)
    return f"<sitemapindex {NAMESPACE}>{sitemaps}</sitemapindex>".encode()


def read(text: str | bytes) -> Sitemap:
    return read_sitemap([text if isinstance(text, bytes) else text.encode()])


def test_pages_are_listed_with_their_priority_and_without_their_images() -> None:
    text = f"""<urlset {NAMESPACE} {IMAGES}>
        <url><loc>https://x.example/a?b=c&amp;d=e</loc><image:image><image:loc>https://x.example/a.png</image:loc>
        </image:image><priority>0.9</priority></url>
        <url><priority>seven</priority><loc><![CDATA[https://x.example/b]]></loc></url><url></url>
    </urlset>"""
    assert read(text).urls == [("https://x.example/a?b=c&d=e", 0.9), ("https://x.example/b", 0.5)]
    chunks = [text[at : at + 1].encode() for at in range(len(text))]
    assert read_sitemap(chunks) == read(text)


def test_a_sitemap_without_a_namespace_is_one_and_an_index_is_known() -> None:
    assert read("<urlset><url><loc>/a</loc></url></urlset>").urls == [("/a", 0.5)]
    found = read(index("https://x.example/1.xml"))
    assert (found.is_index, found.urls) == (True, [("https://x.example/1.xml", 0.5)])


BOMB = "<!DOCTYPE u [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]><urlset>&b;</urlset>"
OUTSIDE = "<!DOCTYPE u [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><urlset><url><loc>&a;</loc></url></urlset>"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "document type declaration"),
        (OUTSIDE, "document type declaration"),
        ("<!DOCTYPE urlset SYSTEM 'http://evil.example/x.dtd'><urlset/>", "document type declaration"),
        ("<urlset>&unknown;</urlset>", "no well-formed XML"),
        ("<html><body/></html>", "begins with <html>"),
        ("<urlset><url>", "no well-formed XML"),
        ("", "no well-formed XML"),
        ('<?xml version="1.0" encoding="klingon"?><urlset/>', "no well-formed XML|encoding"),
        ("<urlset>" + "<a>" * 50, "nested more deeply"),
        ("<urlset><url><loc>" + "a" * 10_000, "more than 8192 characters"),
        ("<urlset>" + "<url><loc>/a</loc></url>" * (MOST_URLS + 1) + "</urlset>", "more than 50000 URLs"),
    ],
)
def test_what_is_no_sitemap_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadSitemap, match=why):
        read(text)


def test_a_sitemap_is_bounded_before_and_after_it_is_unpacked() -> None:
    with pytest.raises(BadSitemap, match="longer than 50 MiB"):
        read_sitemap([b"<urlset>", *[b" " * 2**20] * 51])
    bomb = gzip.compress(b" " * (MOST_BYTES + 2), 9)
    assert len(bomb) < 100_000
    pieces: list[bytes] = []
    with pytest.raises(CantUnpack, match="grows to more than"):
        pieces.extend(unpacked([bomb], MOST_BYTES))
    assert max(map(len, pieces)) <= 65_536


def test_a_file_may_be_a_sitemap_of_one_host() -> None:
    content = urlset("https://x.example/a", "https://y.example/b", "https://x.example/c")
    for packed in (content, gzip.compress(content)):
        found = paths_in(io.BytesIO(packed), "sitemap.xml", 10, ("http://127.0.0.1:8000",), live=False)
        assert found.paths == ["/a", "/c"]
        assert found.notes == ["1 URLs of the sitemap are of another host, or none"]
    with pytest.raises(CommandError, match=r"sitemap\.xml is an index of sitemaps; name one of these"):
        paths_in(io.BytesIO(index("https://x.example/1.xml")), "sitemap.xml", 10, (), live=False)


class Site:
    """Answers with what it has, and notes what it was asked for."""

    def __init__(self, bodies: Mapping[str, bytes]) -> None:
        self._bodies = bodies
        self.asked: list[str] = []

    async def read(self, path: str, most: int) -> bytes | None:
        self.asked.append(path)
        return self._bodies.get(path)

    async def warm(self, path: str) -> Warmed:
        return Warmed(path, Outcome.HIT)


async def test_an_index_leads_to_sitemaps_of_the_site_and_never_to_other_hosts() -> None:
    low, high = "<priority>0.1</priority>", "<priority>0.9</priority>"
    site = Site(
        {
            "/sitemap.xml": index("https://x.example/1.xml", "https://x.example/2.xml.gz", "gopher://x.example/3.xml"),
            "/1.xml": urlset("https://x.example/low", priority=low),
            "/2.xml.gz": gzip.compress(urlset("https://x.example/high", "https://evil.example/x", priority=high)),
        }
    )
    found = await pages_of(site, 10, ("http://127.0.0.1:8000",))
    assert site.asked == ["/robots.txt", "/sitemap.xml", "/1.xml", "/2.xml.gz"]
    assert found.paths == ["/high", "/low"]


async def test_robots_txt_names_sitemaps_and_a_base_path_has_its_own() -> None:
    robots = b"User-agent: *\nSITEMAP: https://x.example/maps/all.xml\nsitemap:\n"
    site = Site({"/robots.txt": robots, "/maps/all.xml": urlset("https://x.example/docs/a")})
    assert (await pages_of(site, 10, (), "/docs")).paths == ["/docs/a"]
    assert site.asked == ["/robots.txt", "/maps/all.xml", "/docs/sitemap.xml"]


async def test_an_index_in_an_index_and_a_circle_are_not_followed() -> None:
    site = Site({"/sitemap.xml": index("/sitemap.xml", "/2.xml"), "/2.xml": index("/3.xml"), "/3.xml": urlset("/a")})
    assert (await pages_of(site, 10, ())).paths == []
    assert "/3.xml" not in site.asked
    assert len(site.asked) == len(set(site.asked))


async def test_an_index_of_any_length_is_read_in_part() -> None:
    many = [f"/{number}.xml" for number in range(3000)]
    site = Site({"/sitemap.xml": index(*many), **{path: urlset("/a") for path in many}})
    found = await pages_of(site, 10, ())
    assert len(site.asked) <= MOST_SITEMAPS + 1
    assert any("weren't read" in note for note in found.notes)


async def test_a_site_without_a_sitemap_and_one_with_a_broken_one_are_told() -> None:
    with pytest.raises(CommandError, match=r"^the site has no sitemap that can be read\.$"):
        await pages_of(Site({}), 10, ())
    with pytest.raises(CommandError, match=r"no sitemap that can be read: /sitemap\.xml can't be used: it begins"):
        await pages_of(Site({"/sitemap.xml": b"<html/>"}), 10, ())
