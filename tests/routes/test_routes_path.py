from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.routes.path import MalformedPath, canonical, dot_redirect, readable, slash_redirect, split

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
raw_paths = st.lists(st.one_of(st.sampled_from([b"/", b"//", b"\\", b"a.xml", b".well-known", b"%2F"]), st.binary()))


@pytest.mark.parametrize(
    ("raw", "segments"),
    [
        (b"", []),
        (b"/", []),
        (b"/a/b", ["a", "b"]),
        (b"/a/x%2Fy", ["a", "x/y"]),
        (b"/a/%E2%9C%93", ["a", "✓"]),
        (b"/a/a+b", ["a", "a+b"]),
        (b"/a/b/", ["a", "b"]),
        (b"/a//b", ["a", "b"]),
        (b"/%2525", ["%25"]),
        ("/zażółć".encode(), ["zażółć"]),
        (b"/__class__", ["__class__"]),
    ],
)
def test_a_path_is_cut_first_and_each_segment_is_decoded_once(raw: bytes, segments: list[str]) -> None:
    assert split(raw) == segments


@pytest.mark.parametrize("raw", [b"/a/%", b"/%2", b"/%zz", b"/% 1", b"/%FF", b"/\xff", b"/%C3", b"/a%00b", b"/\0"])
def test_a_path_that_is_not_encoded_text_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedPath):
        split(raw)


@pytest.mark.parametrize(
    ("segments", "path"),
    [
        ([], "/"),
        (["a/b"], "/a%2Fb"),
        (["é", "a b", "a+b"], "/%C3%A9/a%20b/a+b"),
        (["~-._!$&'()*+,;=:@"], "/~-._!$&'()*+,;=:@"),
        (["%", "?", "#", "\\", "[x]"], "/%25/%3F/%23/%5C/%5Bx%5D"),
    ],
)
def test_the_canonical_path_escapes_all_that_is_not_plain_in_a_segment(segments: list[str], path: str) -> None:
    assert canonical(segments) == path


def test_every_spelling_of_a_path_has_one_canonical_form() -> None:
    spellings = [b"/caf%C3%A9/a", "/café/a".encode(), b"/caf%c3%a9/%61", b"//caf%C3%A9//a/"]
    assert {canonical(split(raw)) for raw in spellings} == {"/caf%C3%A9/a"}


@given(st.lists(texts))
def test_a_canonical_path_says_exactly_its_segments(segments: list[str]) -> None:
    path = canonical(segments)
    assert split(path.encode("ascii")) == segments
    assert canonical(split(path.encode("ascii"))) == path


@pytest.mark.parametrize(
    ("segments", "text"),
    [
        ([], "/"),
        (["c", "hello world"], "/c/hello world"),
        (["c", "zażółć"], "/c/zażółć"),
        (["c", "x/y"], "/c/x%2Fy"),
        (["a?b#c%d\\e"], "/a%3Fb%23c%25d%5Ce"),
        (["a\nb\u202ec"], "/a%0Ab%E2%80%AEc"),
    ],
)
def test_the_readable_path_escapes_only_delimiters_and_what_cannot_be_seen(segments: list[str], text: str) -> None:
    assert readable(segments) == text


@given(st.lists(texts), st.lists(texts))
def test_different_paths_read_differently(one: list[str], other: list[str]) -> None:
    assert (readable(one) == readable(other)) == (one == other)


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        (b"/", None),
        (b"", None),
        (b"/a", None),
        (b"/a/", "/a"),
        (b"/a.xml/", "/a.xml"),
        (b"/a//b", "/a/b"),
        (b"/a//", "/a"),
        (b"//", "/"),
        (b"/a%2Fb/", "/a%2Fb"),
        (b"/.well-known/x/", "/.well-known/x"),
    ],
)
def test_without_trailing_slashes_a_path_is_sent_to_the_one_without(raw: bytes, target: str | None) -> None:
    assert slash_redirect(raw, trailing_slash=False) == target


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        (b"/", None),
        (b"/a", "/a/"),
        (b"/a/", None),
        (b"/a.xml", None),
        (b"/a.xml/", "/a.xml"),
        (b"/v1.2/a", "/v1.2/a/"),
        (b"/.env", "/.env/"),
        (b"//a", "/a/"),
        (b"/.well-known/x", None),
        (b"/.well-known/x/", None),
        (b"/.well-known//x", "/.well-known/x"),
    ],
)
def test_with_trailing_slashes_all_but_files_get_one(raw: bytes, target: str | None) -> None:
    assert slash_redirect(raw, trailing_slash=True) == target


@pytest.mark.parametrize(
    "raw", [b"//evil.com/", b"/\\evil.com/", b"/\\\\evil.com//", b"///evil.com//x", b"/%2Fevil.com/"]
)
@pytest.mark.parametrize("trailing_slash", [True, False])
def test_a_slash_redirect_stays_on_its_host(raw: bytes, trailing_slash: bool) -> None:
    target = slash_redirect(raw, trailing_slash)
    assert target is not None
    assert target.startswith("/")
    assert not target.startswith("//")
    assert "\\" not in target


def test_a_backslash_is_escaped_in_a_redirect() -> None:
    assert slash_redirect(b"/\\evil.com/", trailing_slash=False) == "/%5Cevil.com"


@given(raw_paths, st.booleans())
def test_what_a_redirect_leads_to_is_not_redirected_again(parts: list[bytes], trailing_slash: bool) -> None:
    raw = b"/" + b"".join(parts)
    try:
        target = slash_redirect(raw, trailing_slash)
    except MalformedPath:
        with pytest.raises(MalformedPath):
            split(raw)
        return
    if target is not None:
        assert slash_redirect(target.encode("ascii"), trailing_slash) is None
        assert split(target.encode("ascii")) == split(raw)
        assert not target.startswith("//")


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        (b"/a", None),
        (b"/a/...", None),
        (b"/a/.b/..c/d..", None),
        (b"/p/..%2f..", None),
        (b"/p/%2e%2e%2Fx", None),
        (b"/p/%252e%252e", None),
        (b"/p/..", "/"),
        (b"/p/%2e%2e", "/"),
        (b"/p/.%2E/", "/"),
        (b"/a/b/..", "/a/"),
        (b"/a/b/../", "/a/"),
        (b"/a/./b", "/a/b"),
        (b"/a/%2E", "/a/"),
        (b"/../../a", "/a"),
        (b"/x/..//evil.example", "/evil.example"),
        (b"/.//evil.example/", "/evil.example/"),
        (b"/../\\evil.example", "/%5Cevil.example"),
        (b"/./%2Fevil.example", "/%2Fevil.example"),
        (b"/./caf%c3%a9", "/caf%C3%A9"),
    ],
)
def test_dot_segments_are_sent_to_the_path_without_them(raw: bytes, target: str | None) -> None:
    assert dot_redirect(raw) == target


def test_dot_segments_before_a_bad_escape_are_malformed() -> None:
    with pytest.raises(MalformedPath):
        dot_redirect(b"/../%zz")


@given(raw_paths)
def test_a_path_without_dot_segments_has_none_and_one_leading_slash(parts: list[bytes]) -> None:
    raw = b"/../" + b"".join(parts)
    try:
        target = dot_redirect(raw)
    except MalformedPath:
        return
    assert target is not None
    assert dot_redirect(target.encode("ascii")) is None
    assert re.match(r"/(?![/\\])", target)
