"""Which live answers are compressed, and what their headers say then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.http.codings.live_coding import (
    coded_headers,
    coding_for,
    declared_size,
    headers_of_held,
    held_by,
    is_codable,
    marked,
    unmarked,
)

if TYPE_CHECKING:
    from millpond.policy.entry import Coding, Headers

ALL: tuple[Coding, ...] = ("zstd", "br", "gzip")
JSON = (b"content-type", b"application/json")
ACCEPTS = (b"accept-encoding", b"gzip, br")
COOKIE, TOKEN = (b"cookie", b"session=1"), (b"authorization", b"Bearer 1")
CROSS, SAME_SITE = (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-site", b"same-site")
CLICKED = (b"sec-fetch-user", b"?1")


@pytest.mark.parametrize(
    ("headers", "coding"),
    [
        ([ACCEPTS], "br"),
        ([(b"accept-encoding", b"gzip"), (b"accept-encoding", b"zstd")], "zstd"),
        ([(b"accept-encoding", b"br;q=0.1, gzip")], "gzip"),
        ([(b"accept-encoding", b"identity")], None),
        ([(b"accept-encoding", b"br" * 600)], None),
        ([], None),
        ([ACCEPTS, COOKIE], "br"),
        ([ACCEPTS, COOKIE, (b"sec-fetch-site", b"same-origin")], "br"),
        ([ACCEPTS, COOKIE, (b"sec-fetch-site", b"none")], "br"),
        ([ACCEPTS, CROSS], "br"),
    ],
)
def test_a_client_gets_the_best_coding_that_it_accepts(headers: Headers, coding: Coding | None) -> None:
    assert coding_for(headers, ALL) == coding


@pytest.mark.parametrize("site", [CROSS, SAME_SITE])
@pytest.mark.parametrize("credentials", [COOKIE, TOKEN])
def test_another_site_learns_nothing_from_the_length_of_an_answer_with_credentials(
    site: tuple[bytes, bytes], credentials: tuple[bytes, bytes]
) -> None:
    assert coding_for([ACCEPTS, credentials, site], ALL) is None
    assert coding_for([site, credentials, ACCEPTS], ALL) is None
    assert coding_for([ACCEPTS, credentials, site, CLICKED], ALL) == "br"
    assert coding_for([ACCEPTS, credentials, site, (b"sec-fetch-user", b"?0")], ALL) is None


@pytest.mark.parametrize(
    ("status", "headers", "size"),
    [
        (200, (JSON,), 255),
        (204, (JSON,), None),
        (205, (JSON,), None),
        (304, (JSON,), None),
        (206, (JSON,), 1000),
        (416, (JSON, (b"content-range", b"bytes */9")), 1000),
        (200, (JSON, (b"accept-ranges", b"bytes")), 1000),
        (200, (JSON, (b"content-encoding", b"gzip")), 1000),
        (200, (JSON, (b"cache-control", b"private, No-Transform")), 1000),
        (200, (JSON, (b"vary", b"Origin, Accept-Encoding")), 1000),
        (200, (JSON, (b"repr-digest", b"sha-256=:x:")), 1000),
        (200, (JSON, (b"content-digest", b"sha-256=:x:")), 1000),
        (200, (JSON, (b"x-nextjs-cache", b"HIT")), 1000),
        (200, ((b"content-type", b"image/png"),), 1000),
        (200, ((b"content-type", b"application/zip"),), None),
        (200, (), None),
    ],
)
def test_some_answers_are_left_as_they_are(status: int, headers: Headers, size: int | None) -> None:
    assert not is_codable(status, headers, size)


@pytest.mark.parametrize("status", [200, 201, 404, 422, 500])
@pytest.mark.parametrize("kind", [b"text/event-stream", b"text/html; charset=utf-8", b"application/problem+json"])
@pytest.mark.parametrize("size", [None, 256, 10**9])
@pytest.mark.parametrize(
    "other",
    [(b"x", b"y"), (b"content-encoding", b"identity"), (b"accept-ranges", b"none"), (b"x-nextjs-cache", b"BYPASS")],
)
def test_any_text_of_some_length_is_compressed(
    status: int, kind: bytes, size: int | None, other: tuple[bytes, bytes]
) -> None:
    assert is_codable(status, ((b"content-type", kind), other), size)


def test_the_headers_say_the_coding_and_nothing_that_is_wrong_now() -> None:
    headers = (
        JSON,
        (b"content-length", b"1000"),
        (b"content-encoding", b"identity"),
        (b"vary", b"origin"),
        (b"etag", b'"1"'),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
    )
    assert coded_headers(headers, "br") == (
        JSON,
        (b"vary", b"origin"),
        (b"etag", b'"1-live-br"'),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"content-encoding", b"br"),
        (b"vary", b"accept-encoding"),
    )


def test_a_weak_etag_stays_as_the_answers_are_equivalent() -> None:
    assert marked(b'W/"1"', "gzip") == b'W/"1"'
    assert marked(b"no etag", "gzip") == b"no etag"


TAGS = st.binary(max_size=12).map(lambda tag: b'"%s"' % bytes(byte for byte in tag if byte > 0x22))


@given(st.lists(st.tuples(TAGS, st.sampled_from((None, *ALL))), max_size=4), st.booleans())
def test_a_handler_gets_back_the_etags_that_it_has_made(tags: list[tuple[bytes, Coding | None]], weak: bool) -> None:
    prefix = b"W/" if weak else b""  # what a cache in between makes of them
    sent = b", ".join(prefix + (tag if coding is None else marked(tag, coding)) for tag, coding in tags)
    made = b", ".join(prefix + tag for tag, _ in tags)
    for name in (b"if-none-match", b"if-match"):
        assert unmarked([(name, sent), (b"x", sent)]) == ((name, made), (b"x", sent))


def test_an_etag_of_somebody_elses_coding_stays() -> None:
    given_tags = [(b"if-none-match", b'"1-gzip", "2-br"')]
    assert held_by(given_tags) == b""
    assert unmarked(given_tags) == tuple(given_tags)


def test_a_304_has_the_etag_of_what_the_client_holds() -> None:
    held = held_by([ACCEPTS, (b"if-none-match", b'"1-live-zstd"')])
    assert headers_of_held(((b"etag", b'"1"'),), held, ALL) == (
        (b"etag", b'"1-live-zstd"'),
        (b"vary", b"accept-encoding"),
    )
    assert headers_of_held(((b"etag", b'"2"'),), held, ALL) == ((b"etag", b'"2"'),)


def test_a_list_of_etags_without_an_end_is_left_alone() -> None:
    long = b'"' + b"-live-" * 1000
    assert held_by([(b"if-none-match", long)]) == b""
    assert unmarked([(b"if-none-match", long)]) == ((b"if-none-match", long),)


@pytest.mark.parametrize(("value", "size"), [(b"12", 12), (b"", None), (b"-1", None), (b"x", None), (b"9" * 19, None)])
def test_a_length_that_is_no_number_is_none(value: bytes, size: int | None) -> None:
    assert declared_size([(b"Content-Length", value)]) == size
