"""The names of exported files: one for each path, which every place can hold."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.export.export_record import OWN_NAMES
from millpond.export.object_names import WantedName, extension_of, names_of
from millpond.routes.path import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millpond.export.object_names import Naming

JSON, HTML = "application/json", "text/html; charset=utf-8"


def wanted(*segments: str, kind: str = JSON, slash: bool = False, public: bool = False) -> WantedName:
    return WantedName(canonical(segments) + ("/" if slash else ""), segments, slash, kind, public)


def names(*paths: WantedName, naming: Naming = "files", is_flat: bool = False) -> Mapping[str, str]:
    return names_of(paths, naming, OWN_NAMES, is_flat=is_flat)


@pytest.mark.parametrize(
    ("path", "file", "plain"),
    [
        (wanted(), "index.json", "index.html"),
        (wanted(kind=HTML), "index.html", "index.html"),
        (wanted("products"), "products.json", "products"),
        (wanted("about", kind=HTML), "about.html", "about"),
        (wanted("about", kind=HTML, slash=True), "about/index.html", "about/index.html"),
        (wanted("feed.xml", kind="application/xml"), "feed.xml", "feed.xml"),
        (wanted("feed.xml", kind="application/rss+xml"), "feed.xml.xml", "feed.xml"),
        (wanted("data.json"), "data.json", "data.json"),
        (wanted("v1.2"), "v1.2.json", "v1.2"),
        (wanted("é", "oak chair"), "é/oak chair.json", "é/oak chair"),
        (wanted("a/b"), "a%2Fb.json", "a%2Fb"),
        (wanted("con"), "%63on.json", "%63on"),
        (wanted("..", "x"), "%2E%2E/x.json", "%2E%2E/x"),
        (wanted('a:b*?"'), "a%3Ab%2A%3F%22.json", "a%3Ab%2A%3F%22"),
        (wanted("_headers", kind="application/x-nothing"), "_headers~", "_headers~"),
        (wanted("logo.png", public=True), "logo.png", "logo.png"),
    ],
)
def test_a_path_is_a_file_of_its_type(path: WantedName, file: str, plain: str) -> None:
    assert names(path)[path.path].startswith(file)
    assert names(path, naming="paths")[path.path].startswith(plain)


@pytest.mark.parametrize("naming", ["files", "paths"])
def test_a_path_and_one_below_it_both_have_a_file(naming: Naming) -> None:
    found = names(wanted("a", kind=""), wanted("a", "b", kind=""), naming=naming)
    assert found["/a/b"] == "a/b"
    assert found["/a"].startswith("a~")


def test_an_object_store_has_both_as_they_are_and_tells_cases_apart() -> None:
    found = names(wanted("a"), wanted("a", "b"), wanted("A"), wanted("a:*"), naming="paths", is_flat=True)
    assert found == {"/a": "a", "/a/b": "a/b", "/A": "A", "/a:*": "a:*"}


def test_two_paths_that_an_object_store_takes_for_one_have_two_names() -> None:
    found = names(wanted("a/b"), wanted("a", "b"), naming="paths", is_flat=True)
    assert len(set(found.values())) == 2


def test_a_public_file_keeps_its_name() -> None:
    found = names(wanted("Data"), wanted("data.json", public=True))
    assert found["/data.json"] == "data.json"
    assert found["/Data"].startswith("Data~")


SEGMENTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
PATHS = st.lists(st.lists(SEGMENTS, max_size=4).map(tuple), max_size=8, unique=True)


@given(PATHS, st.sampled_from(["files", "paths"]), st.booleans())
def test_names_are_distinct_short_and_inside_for_any_paths(
    paths: list[tuple[str, ...]], naming: Naming, backwards: bool
) -> None:
    all_wanted = [wanted(*segments) for segments in paths]
    found = names(*(reversed(all_wanted) if backwards else all_wanted), naming=naming)
    assert dict(found) == dict(names(*all_wanted, naming=naming))  # whatever the order
    assert len(found) == len(paths)
    folded = [unicodedata.normalize("NFC", name.casefold()) for name in found.values()]
    assert len(set(folded)) == len(paths)
    folders = {str(parent) for name in folded for parent in PurePosixPath(name).parents}
    assert folders.isdisjoint(folded)
    for name in found.values():
        parts = name.split("/")
        assert not {"", ".", ".."}.intersection(parts)
        assert max(len(part.encode()) for part in parts) < 240
        assert len(name.encode()) <= 1000
        assert "\\" not in name
        assert name not in OWN_NAMES


@given(PATHS)
def test_an_object_store_gets_distinct_names_too(paths: list[tuple[str, ...]]) -> None:
    found = names(*(wanted(*segments) for segments in paths), naming="paths", is_flat=True)
    assert len(set(found.values())) == len(paths)
    assert all(name and not name.startswith("/") and len(name.encode()) <= 1000 for name in found.values())


@pytest.mark.parametrize(
    ("kind", "extension"),
    [
        ("application/ld+json", ".json"),
        ("image/svg+xml; charset=utf-8", ".svg"),
        ("x/y", ""),
        ("", ""),
        ("TEXT/HTML", ".html"),
    ],
)
def test_an_extension_is_that_of_the_type(kind: str, extension: str) -> None:
    assert extension_of(kind) == extension
