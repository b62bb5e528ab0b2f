"""Sitemaps, held against the schema that sitemaps.org publishes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree  # type: ignore[import-untyped]

from millpond.metadata.sitemap import sitemap_xml

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
SCHEMA = etree.XMLSchema(file=str(Path(__file__).with_name("schema") / "sitemap.xsd"))
URL = "https://a.example/?a=1&b=<2>"
ZONES: list[tzinfo | None] = [None, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-11))]
URLS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="%[]#"), max_size=60).map(
    "https://a.example/".__add__
)
MOMENTS = st.datetimes(datetime(1000, 1, 2), datetime(9000, 1, 1), timezones=st.sampled_from(ZONES))
ENTRIES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"url": URLS},
    optional={
        "last_modified": st.dates(date(1000, 1, 1)) | MOMENTS,
        "change_frequency": st.sampled_from(["always", "hourly", "daily", "weekly", "monthly", "yearly", "never"]),
        "priority": st.integers(0, 1) | st.floats(0, 1).map(lambda number: round(number, 9)),
    },
)


def own_elements(content: bytes) -> etree._Element:
    """A sitemap without the elements of other namespaces."""
    tree = etree.fromstring(content)
    for element in tree.findall("{*}url/*"):
        if etree.QName(element).namespace != NAMESPACE:
            element.getparent().remove(element)
    return tree


@given(st.lists(ENTRIES, min_size=1, max_size=5))
def test_a_sitemap_is_valid_and_says_what_it_was_given(entries: list[dict[str, Any]]) -> None:
    tree = etree.fromstring(sitemap_xml(entries))
    SCHEMA.assertValid(tree)
    assert [url.findtext(f"{{{NAMESPACE}}}loc") for url in tree] == [entry["url"] for entry in entries]
    for url, entry in zip(tree, entries, strict=True):
        assert float(url.findtext(f"{{{NAMESPACE}}}priority", "-1")) == entry.get("priority", -1)


@pytest.mark.parametrize("text", ["2024-01-02", "2024-01-02T03:04:05Z", "2024-01-02T03:04:05.6+01:00"])
def test_a_date_as_text_is_valid_when_it_is_one(text: str) -> None:
    SCHEMA.assertValid(etree.fromstring(sitemap_xml([{"url": URL, "last_modified": text}])))


def test_the_schema_refuses_what_is_wrong() -> None:
    for broken in (b"<lastmod>yesterday</lastmod>", b"<priority>2</priority>", b"<loc>twice</loc>"):
        content = sitemap_xml([{"url": URL}]).replace(b"</loc>", b"</loc>" + broken)
        assert not SCHEMA.validate(etree.fromstring(content))


def test_beside_the_elements_of_extensions_the_others_are_valid() -> None:
    """The schema wants those at the end; the original writes them behind <loc>, where all readers find them (R7.15)."""
    video = {"title": "T", "thumbnail_loc": URL, "description": "D"}
    entry = {"url": URL, "images": [URL], "videos": [video], "alternates": {"languages": {"de": URL}}}
    content = sitemap_xml([{**entry, "last_modified": date(2024, 5, 6), "priority": 0.5}])
    assert len(etree.fromstring(content)[0]) == 6
    tree = own_elements(content)
    assert [etree.QName(element).localname for element in tree[0]] == ["loc", "lastmod", "priority"]
    SCHEMA.assertValid(tree)
