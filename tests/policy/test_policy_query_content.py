"""The content of a QUERY as part of a key, and the media types that it may have."""

from __future__ import annotations

import json
from typing import Any

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.key import folders_in, method_in, path_in, response_key
from millpond.policy.request.media_types import (
    InvalidMediaType,
    MediaType,
    accept_query,
    media_type,
    with_accept_query,
)
from millpond.policy.request.query_content import QueryContent

JSON = MediaType("application/json")
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=values, indent=st.sampled_from([None, 0, 1, "\t"]))
def test_json_that_differs_in_white_space_is_the_same(value: Any, indent: int | str | None) -> None:
    spread = QueryContent.of(JSON, json.dumps(value, indent=indent, separators=(" , ", " : ")).encode())
    compact = QueryContent.of(JSON, json.dumps(value, separators=(",", ":")).encode())
    assert spread == compact
    assert spread.digest == compact.digest
    assert json.loads(spread.body) == value


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (b'{"a":1,"b":2}', b'{"b":2,"a":1}'),  # by which some sort
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b"1", b"1.0"),
        (b"1e2", b"100"),
        (b'"a"', b'"\\u0061"'),
        (b'" "', b'""'),
        (b'"a b"', b'"ab"'),
        (b'"\\" "', b'"\\""'),
        (b"1 2", b"12"),  # no JSON at all
        (b"[1", b"[ 1"),
        (b"\xff ", b"\xff"),
        (b"", b" "),
    ],
)
def test_what_may_mean_something_else_is_something_else(a: bytes, b: bytes) -> None:
    assert QueryContent.of(JSON, a).digest != QueryContent.of(JSON, b).digest


def test_what_is_no_json_of_utf_8_is_kept_to_the_byte() -> None:
    for kind in ("text/plain", "application/sql", "application/x-www-form-urlencoded"):
        assert QueryContent.of(MediaType(kind), b'{ "a": 1 }').body == b'{ "a": 1 }'
    assert QueryContent.of(media_type([b"application/json; charset=utf-16"]), b"[ 1 ]").body == b"[ 1 ]"
    assert QueryContent.of(media_type([b'application/json; charset="UTF-8"']), b"[ 1 ]").body == b"[1]"


def test_depth_ends_in_no_error() -> None:
    deep = b"[ " * 100_000
    assert QueryContent.of(JSON, deep).body == deep


def test_the_type_is_part_of_the_key_and_type_and_body_dont_run_into_each_other() -> None:
    digests = {
        QueryContent("a/b", b"c").digest,
        QueryContent("a/bc", b"").digest,
        QueryContent("a/", b"bc").digest,
        QueryContent("a/c", b"c").digest,
    }
    assert len(digests) == 4


def test_a_key_with_content_is_no_key_of_a_get() -> None:
    plain, asked = response_key("app/a/route.py", "/a", "q=1"), response_key("app/a/route.py", "/a", "q=1", "00ff")
    assert plain != asked
    assert asked != response_key("app/a/route.py", "/a", "q=1%2300ff")
    assert (path_in(asked), folders_in(asked)) == (path_in(plain), folders_in(plain)) == ("/a", "/a")
    assert (method_in(asked), method_in(plain), method_in("fetch\0x")) == ("QUERY", "GET", None)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (b"application/json", "application/json"),
        (b" Application/JSON ;Charset=UTF-8 ", "application/json; charset=utf-8"),
        (b'text/x; a=B;; b="c; d\\""', 'text/x; a=B; b="c; d\\""'),
        (b"application/vnd.a+json;v=1;", "application/vnd.a+json; v=1"),
    ],
)
def test_a_media_type_has_one_form(sent: bytes, meant: str) -> None:
    assert str(media_type([sent])) == meant
    assert str(media_type([meant.encode()])) == meant


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [b"a/b", b"a/b"],
        [b""],
        [b"json"],
        [b"a/b c"],
        [b"a/b; x"],
        [b'a/b; x="'],
        [b"a/b, c/d"],
        [b"a/" + b"b" * 2000],
        [b"\xff/a"],
    ],
)
def test_what_is_no_media_type_is_refused(sent: list[bytes]) -> None:
    with pytest.raises(InvalidMediaType):
        media_type(sent)


def test_a_type_is_taken_or_not() -> None:
    assert JSON.is_one_of(())
    assert JSON.is_one_of(["application/json"])
    assert MediaType("application/vnd.a+json").is_one_of(["application/json"])
    assert not MediaType("text/plain").is_one_of(["application/json"])
    assert not JSON.is_one_of(["application/x-www-form-urlencoded", "multipart/form-data"])
    assert MediaType("application/sql").is_one_of(["Application/SQL; version=1"])
    assert MediaType("text/plain").is_one_of(["text/*"])
    assert not MediaType("textual/plain").is_one_of(["text/*"])
    assert MediaType("text/plain").is_one_of(["a/b", "*/*"])


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1), min_size=1))
def test_what_accept_query_lists_is_parsed_again(accepted: list[str]) -> None:
    parsed: Any = http_sf.parse(accept_query(accepted), tltype="list")
    assert [str(value) for value, _ in parsed] == accepted


def test_accept_query_is_a_structured_list() -> None:
    assert accept_query(["application/json", "application/vnd.a+json"]) == b"application/json, application/vnd.a+json"
    assert accept_query(["application/sql; charset=utf-8", 'a"\\']) == b'"application/sql; charset=utf-8", "a\\"\\\\"'
    own = ((b"accept-query", b"a/b"),)
    assert with_accept_query(own, ["c/d"]) == own
    assert with_accept_query((), []) == ()
    assert with_accept_query((), ["c/d"]) == ((b"accept-query", b"c/d"),)
