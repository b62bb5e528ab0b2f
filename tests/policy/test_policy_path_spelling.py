"""How a rewritten path is spelled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.request.path_spelling import decoded, encoded, spelled


@pytest.mark.parametrize(
    ("path", "raw", "expected"),
    [
        ("/t1/a/b", b"/a%2Fb", b"/t1/a%2Fb"),  # a prefix is added
        ("/t1/a/b", b"/a%2fb", b"/t1/a%2fb"),
        ("/t1/a/b/c", b"/a%2Fb/c", b"/t1/a%2Fb/c"),
        ("/a/b", b"/de/a%2Fb", b"/a%2Fb"),  # removed
        ("/fr/a/b", b"/de/a%2Fb", b"/fr/a%2Fb"),  # replaced
        ("/a/b", b"/a%2Fb/", b"/a%2Fb"),  # a trailing slash is removed
        ("/a/b/", b"/a%2Fb", b"/a%2Fb/"),  # or added
        ("/a/b/v2/c", b"/a%2Fb/c", b"/a%2Fb/v2/c"),  # something in the middle
        ("/t1/a b+c", b"/a%20b+c", b"/t1/a%20b+c"),
        ("/t1/100%", b"/100%25", b"/t1/100%25"),
        ("/t1/\ufffd", b"/%ff", b"/t1/%ff"),  # what is malformed stays so
        ("/other", b"/a%2Fb", b"/other"),
        ("/x/a", b"/a", b"/x/a"),
        ("/a/b/c", b"/b%2Fc/b%2Fc", b"/a/b%2Fc"),
        ("", b"/a%2Fb", b""),
        ("no-slash", b"/a%2Fb", b"no-slash"),
        ("*", b"/%2A", b"*"),
        ("/ab", b"/%62", b"/ab"),  # part of a segment isn't the client's
        ("/äb", "/ä%62".encode(), b"/%C3%A4b"),  # a server that decodes UTF-8
    ],
)
def test_what_the_client_has_sent_keeps_its_spelling(path: str, raw: bytes, expected: bytes) -> None:
    assert spelled(path, raw) == expected


@given(st.text(alphabet="ab/%2F.é \ud800", max_size=12), st.binary(max_size=12))
def test_it_is_always_a_spelling_of_the_path(path: str, raw: bytes) -> None:
    found = spelled(path, raw)
    assert found.isascii() or b"%" in raw
    assert decoded(found) == decoded(encoded(path))
