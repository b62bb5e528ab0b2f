"""What sitemap() returns, as XML; read back with a parser that crawlers use."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from usp.objects.sitemap import PagesXMLSitemap
from usp.tree import sitemap_from_str

from millpond.errors import MetadataError
from millpond.metadata.sitemap import MOST_BYTES, sitemap_xml

if TYPE_CHECKING:
    from millpond.metadata import SitemapEntry

EPOCH = datetime.fromtimestamp(0, UTC)


def refusal(returned: object) -> str:
    with pytest.raises(MetadataError) as caught:
        sitemap_xml(returned)
    return str(caught.value)


def one(**fields: Any) -> str:
    """The XML of a sitemap with one entry."""
    return sitemap_xml([{"url": "https://a.example/", **fields}]).decode()


def test_an_entry_is_written_as_the_original_writes_it_but_escaped() -> None:
    entry: SitemapEntry = {
        "url": "http://x/?a=1&b=2",
        "last_modified": EPOCH,
        "change_frequency": "daily",
        "priority": 0,
        "alternates": {"languages": {"de": "http://x/de"}},
    }
    assert sitemap_xml([entry]).decode().splitlines() == [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml">',
        "<url>",
        "<loc>http://x/?a=1&amp;b=2</loc>",
        '<xhtml:link rel="alternate" hreflang="de" href="http://x/de" />',
        "<lastmod>1970-01-01T00:00:00.000Z</lastmod>",
        "<changefreq>daily</changefreq>",
        "<priority>0</priority>",
        "</url>",
        "</urlset>",
    ]


def test_no_entries_are_an_empty_sitemap() -> None:
    assert sitemap_xml([]).decode().endswith('0.9">\n</urlset>\n')


def test_images_and_videos_come_before_the_date_each_field_on_its_line() -> None:
    video = {"title": "Oak <chair>", "thumbnail_loc": "https://a.example/t.png", "description": "Two\nlines"}
    uploader = {"content": "We", "info": "https://a.example/we"}
    lines = one(
        last_modified="2024-01-02",
        images=["https://a.example/i.png"],
        videos=[{"uploader": uploader, "rating": 4.5, "tag": ["a", "b"], "duration": 60, "live": "no", **video}],
    ).splitlines()
    assert lines[4:] == [
        "<image:image>",
        "<image:loc>https://a.example/i.png</image:loc>",
        "</image:image>",
        "<video:video>",
        "<video:title>Oak &lt;chair&gt;</video:title>",
        "<video:thumbnail_loc>https://a.example/t.png</video:thumbnail_loc>",
        "<video:description>Two",
        "lines</video:description>",
        "<video:duration>60</video:duration>",
        "<video:tag>a</video:tag>",
        "<video:tag>b</video:tag>",
        "<video:rating>4.5</video:rating>",
        "<video:live>no</video:live>",
        '<video:uploader info="https://a.example/we">We</video:uploader>',
        "</video:video>",
        "<lastmod>2024-01-02</lastmod>",
        "</url>",
        "</urlset>",
    ]
    assert lines[1].split(" xmlns:")[1:] == [
        'image="http://www.google.com/schemas/sitemap-image/1.1"',
        'video="http://www.google.com/schemas/sitemap-video/1.1">',
    ]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("2024-05", "2024-05"),
        (date(2024, 5, 6), "2024-05-06"),
        (datetime(2024, 5, 6, 7, 8, 9), "2024-05-06T07:08:09.000Z"),
        (datetime(2024, 5, 6, 7, 8, 9, 10_999, timezone(timedelta(hours=2))), "2024-05-06T05:08:09.010Z"),
    ],
)
def test_a_date_is_written_in_utc_and_text_as_it_is(value: object, written: str) -> None:
    assert f"<lastmod>{written}</lastmod>" in one(last_modified=value)


@pytest.mark.parametrize(
    ("value", "written"), [(1, "1"), (1.0, "1"), (0.5, "0.5"), (0.1, "0.1"), (0, "0"), (1e-6, "0.000001")]
)
def test_a_priority_is_written_without_needless_digits(value: float, written: str) -> None:
    assert f"<priority>{written}</priority>" in one(priority=value)


def test_a_crawlers_parser_reads_it_back() -> None:
    urls = [f"https://a.example/p/{n}?q=a&b=<{n}>" for n in range(30)]
    text = sitemap_xml([{"url": url, "priority": 0.7, "last_modified": date(2024, 5, 6)} for url in urls]).decode()
    read = sitemap_from_str(text)
    assert isinstance(read, PagesXMLSitemap)
    pages = list(read.all_pages())
    assert [page.url for page in pages] == urls
    assert {(str(page.priority), page.last_modified and page.last_modified.date()) for page in pages} == {
        ("0.7", date(2024, 5, 6))
    }


def test_a_generator_of_entries_will_do() -> None:
    root = ElementTree.fromstring(sitemap_xml({"url": f"https://a.example/{n}"} for n in range(3)))  # noqa: S314
    assert len(root) == 3


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({}, '"url" is missing'),
        (3, "it is 3; it must be a dict"),
        ({"url": "/x"}, "\"url\" is '/x'; it must be a whole URL"),
        ({"url": "https://a.example/\n"}, "it must be a whole URL"),
        ({"url": "https://a.example/" + "x" * 2048}, "a URL of at most 2048 characters"),
        ({"url": "https://a.example/\x00"}, r'"url" holds '),
        ({"last_modified": 3}, '"last_modified" is 3; it must be text or a datetime or a date.'),
        ({"change_frequency": "often"}, "\"change_frequency\" is 'often'; it must be 'always'"),
        ({"priority": 2}, '"priority" is 2; it must be less than or equal to 1'),
        ({"priority": "1"}, "it must be a number"),
        ({"priority": True}, '"priority" is True'),
        ({"priority": float("nan")}, '"priority" is nan'),
        ({"images": "https://a.example/i.png"}, '"images" is '),
        ({"images": ["https://a.example/i.png", 3]}, '"images[1]" is 3; it must be text'),
        ({"alternates": {"languages": {"de": "/de"}}}, "\"alternates.languages.de\" is '/de'"),
        ({"videos": [{"title": "T"}]}, '"videos[0].thumbnail_loc" is missing'),
        ({"lastmod": "2024"}, 'there is no field "lastmod"; did you mean "last_modified"?'),
        ({"lastModified": "2024"}, 'did you mean "last_modified"?'),
        ({"qqq": 1}, 'there is no field "qqq"; leave it out.'),
    ],
)
def test_a_wrong_entry_is_named_with_its_field(entry: object, problem: str) -> None:
    if isinstance(entry, dict) and entry and "url" not in entry:
        entry = {"url": "https://a.example/", **entry}
    message = refusal([{"url": "https://a.example/"}, entry])
    assert message.startswith("entry 1 of sitemap(): ")
    assert problem in message


@pytest.mark.parametrize("returned", [None, {"url": "https://a.example/"}, "https://a.example/", 3])
def test_what_is_no_list_is_refused(returned: object) -> None:
    assert refusal(returned).endswith("return a list of entries.")


def test_more_urls_than_a_sitemap_may_have_are_refused_with_the_remedy() -> None:
    message = refusal([{"url": "https://a.example/"}] * 50_001)
    assert "50,001 URLs" in message
    assert "generate_sitemaps()" in message


def test_more_bytes_than_a_sitemap_may_have_are_refused_with_the_remedy() -> None:
    page = {"url": "https://a.example/", "alternates": {"languages": {"d" * MOST_BYTES: "https://a.example/d"}}}
    message = refusal([page])
    assert "52,428,800" in message
    assert "generate_sitemaps()" in message
