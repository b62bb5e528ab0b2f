"""Patterns of paths, and where redirects lead: what a visitor writes stays where a parameter stands."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from millpond.policy.http.destination import Destination
from millpond.policy.http.moved_paths import MovedPaths
from millpond.policy.http.path_pattern import PathPattern

PAGE = "https://shop.example/a/page"
SEGMENT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    lambda text: text not in (".", "..")
)


def leads(source: str, destination: str, segments: list[str], sent: bytes = b"") -> str | None:
    pattern = PathPattern.parse(source)
    params = pattern.match(segments)
    return None if params is None else Destination.parse(destination, pattern.parameters).fill(params, sent)


@pytest.mark.parametrize(
    ("source", "fits", "fits_not"),
    [
        ("/", [[]], [["a"]]),
        ("/a/b/", [["a", "b"]], [["a"], ["a", "b", "c"], ["A", "b"]]),
        ("/a/[x]", [["a", "b"], ["a", "b/c"]], [["a"], ["a", "b", "c"], ["b", "b"]]),
        ("/a/[...x]", [["a", "b"], ["a", "b", "c"]], [["a"], ["b", "a"]]),
        ("/a/[[...x]]", [["a"], ["a", "b"], ["a", "b", "c"]], [[], ["b"]]),
        ("/[x]/b/[y]", [["a", "b", "c"]], [["a", "c", "b"]]),
        ("/caf%C3%A9/ü", [["café", "ü"]], [["caf%C3%A9", "ü"]]),
        ("/%5Bx%5D/%3Ax", [["[x]", ":x"]], [["a", ":x"]]),
    ],
)
def test_a_pattern_means_what_a_folder_of_that_name_means(
    source: str, fits: list[list[str]], fits_not: list[list[str]]
) -> None:
    pattern = PathPattern.parse(source)
    assert all(pattern.match(segments) is not None for segments in fits)
    assert all(pattern.match(segments) is None for segments in fits_not)


@pytest.mark.parametrize(
    ("source", "destination", "segments", "location"),
    [
        ("/old", "/new", ["old"], "/new"),
        ("/old", "/", ["old"], "/"),
        ("/old/[slug]", "/new/[slug]", ["old", "a b"], "/new/a%20b"),
        ("/old/[slug]", "/new/[slug]/", ["old", "x"], "/new/x/"),
        ("/old/[slug]", "/new?from=[slug]&b=2#top", ["old", "a&b=c/d"], "/new?from=a%26b%3Dc%2Fd&b=2#top"),
        ("/old/[...p]", "/new/[...p]", ["old", "a", "b/c"], "/new/a/b%2Fc"),
        ("/old/[...p]", "/new?p=[...p]", ["old", "a", "b"], "/new?p=a%2Fb"),
        ("/old/[[...p]]", "/new/[[...p]]", ["old"], "/new"),
        ("/old/[[...p]]", "/[[...p]]", ["old"], "/"),
        ("/old/[[...p]]", "/[[...p]]/end", ["old"], "/end"),
        ("/old/[[...p]]", "https://new.example/[[...p]]", ["old"], "https://new.example"),
        ("/old/[[...p]]", "https://new.example:8443/x/[[...p]]", ["old", "y"], "https://new.example:8443/x/y"),
        ("/[a]/[b]", "/[b]/[a]/[b]", ["1", "2"], "/2/1/2"),
        ("/old", "/näh e", ["old"], "/n%C3%A4h%20e"),
        ("/old", "http://[::1]:80/x", ["old"], "http://[::1]:80/x"),
    ],
)
def test_parameters_take_their_place_in_the_destination(
    source: str, destination: str, segments: list[str], location: str
) -> None:
    assert leads(source, destination, segments) == location


@pytest.mark.parametrize(
    ("destination", "sent", "location"),
    [
        ("/new", b"a=1&b=%20", "/new?a=1&b=%20"),
        ("/new#top", b"a=1", "/new?a=1#top"),
        ("/new?a=2", b"a=1&b=2&a=3&%61=4", "/new?a=2&b=2"),
        ("/new?", b"a=1", "/new?a=1"),
        ("/new", b"", "/new"),
        ("/new", b"a\r\nset-cookie: b\xff#x", "/new?a%0D%0Aset-cookie:%20b%FF%23x"),
    ],
)
def test_the_query_of_the_request_follows_that_of_the_destination(destination: str, sent: bytes, location: str) -> None:
    assert leads("/old", destination, ["old"], sent) == location


@given(st.lists(SEGMENT, min_size=1, max_size=4), st.binary())
@example(["/evil.example"], b"")
@example(["\\evil.example", "..\\.."], b"//evil.example")
@example(["evil.example"], b"")
@example(["\r\nset-cookie: a=b"], b"\r\n\r\nbody")
@example(["../..", "%2e%2e", "..%2f"], b"")
def test_what_a_visitor_writes_names_no_host_and_climbs_out_of_no_folder(segments: list[str], sent: bytes) -> None:
    for destination, host, folder in (
        ("/[...p]", "shop.example", "/"),
        ("/new/[...p]", "shop.example", "/new/"),
        ("https://new.example/x/[...p]?y=[...p]", "new.example", "/x/"),
    ):
        location = leads("/[...p]", destination, segments, sent)
        assert location is not None
        assert location.isascii()
        assert location.isprintable()
        assert " " not in location
        for seen in (location, location.replace("\\", "/")):  # as browsers read it
            url = urlsplit(urljoin(PAGE, seen.replace(";", "%3B")))  # urljoin drops the empty parameters of RFC 1808
            assert url.hostname == host
            assert url.path.startswith(folder)
        assert [unquote(part) for part in url.path.removeprefix(folder).split("/")] == segments
        if "?y=" in destination:
            assert parse_qsl(url.query)[0] == ("y", "/".join(segments))


def test_the_first_redirect_that_fits_counts() -> None:
    sources = ["/a/x", "/[any]/y", "/a/[one]", "/b", "/[[...all]]"]
    moved = MovedPaths((PathPattern.parse(source), Destination.parse("/", ())) for source in sources)

    def first(*segments: str) -> int | None:
        found = moved.find(segments)
        return None if found is None else found[0]

    assert [first("a", "x"), first("a", "y"), first("a", "z"), first("b"), first("c"), first()] == [0, 1, 2, 3, 4, 4]


@given(st.lists(st.sampled_from(["a", "b", "[a]", "[b]", "%61"]), max_size=3), st.lists(st.sampled_from("abc")))
def test_a_path_that_may_have_no_redirect_has_none(source: list[str], path: list[str]) -> None:
    moved = MovedPaths([(PathPattern.parse("/".join(["", *dict.fromkeys(source)]) or "/"), Destination.parse("/", ()))])
    raw = "/".join(["", *path]).encode() or b"/"
    assert moved.may_have(raw) or moved.find(path) is None


def test_thousands_of_redirects_cost_a_path_no_more_than_those_of_its_first_segment() -> None:
    compared: list[PathPattern] = []

    class Counting(PathPattern):
        def match(self, segments: object) -> None:
            compared.append(self)

    patterns = [PathPattern.parse(f"/{number}/[slug]") for number in range(2000)]
    counting = [Counting(pattern.fixed, pattern.rest) for pattern in patterns]
    moved = MovedPaths((pattern, Destination.parse("/", ())) for pattern in counting)
    assert moved.find(["7", "x"]) is None
    assert moved.find(["none", "x"]) is None
    assert compared == [counting[7]]
