"""Content codings: RFC 9110 §8.4, §8.8.3.3, §12.5.3 and §12.5.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.http.coding import (
    LONGEST_ACCEPTED,
    SMALLEST,
    chosen,
    compressible,
    etag_of,
    pays,
    with_vary,
)

if TYPE_CHECKING:
    from millpond.policy.entry import Coding

ALL: tuple[Coding, ...] = ("zstd", "br", "gzip")
JSON = (b"content-type", b"application/json")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (b"gzip, deflate, br, zstd", "zstd"),
        (b"gzip, br", "br"),
        (b"gzip", "gzip"),
        (b"GZIP", "gzip"),
        (b"x-gzip", "gzip"),
        (b"deflate", None),
        (b"", None),
        (b"identity", None),
        (b"*", "zstd"),
        (b"br;q=0.5, gzip;q=0.8", "gzip"),
        (b"br;q=0.5,gzip;q=0.500", "br"),
        (b"zstd;q=0, *", "br"),
        (b"zstd;q=0, br;q=0, gzip;q=0", None),
        (b"gzip;q=0.3, identity;q=0.5", None),
        (b"gzip;q=0.5, identity;q=0.3", "gzip"),
        (b"identity;q=0, gzip;q=0.1", "gzip"),
        (b"gzip;q=0.001", "gzip"),
        (b"*;q=0", None),
        (b"*;q=0, gzip", "gzip"),
        (b"identity;q=0", None),
        (b"gzip ; q = 0.7 , br;q=0.6", "gzip"),
    ],
)
def test_the_best_that_a_client_accepts_is_chosen(accepted: bytes, coding: str | None) -> None:
    assert chosen(accepted, ALL) == coding


@pytest.mark.parametrize(
    "accepted", [b"gzip;q=2", b"gzip;q=-1", b"gzip;q=", b"gzip;level=9", b"gz ip", b";q=1", b"\xff"]
)
def test_what_is_no_coding_is_passed_over(accepted: bytes) -> None:
    assert chosen(accepted, ALL) is None
    assert chosen(accepted + b", br", ALL) == "br"


def test_among_equals_the_first_that_there_is_wins() -> None:
    assert chosen(b"zstd, br, gzip", ("gzip", "br")) == "gzip"
    assert chosen(b"zstd", ("gzip", "br")) is None


@given(st.binary(max_size=60))
def test_no_value_is_an_error(accepted: bytes) -> None:
    assert chosen(accepted, ALL) in (None, *ALL)


@pytest.mark.parametrize(
    "kind",
    [
        b"application/json",
        b"Application/JSON; charset=utf-8",
        b"text/html; charset=utf-8",
        b"application/ld+json",
        b"image/svg+xml",
        b"application/manifest+json",
        b"application/wasm",
        b"font/ttf",
        b"image/x-icon",
    ],
)
def test_text_is_compressed(kind: bytes) -> None:
    assert compressible(200, ((b"content-type", kind),), SMALLEST)


@pytest.mark.parametrize(
    "kind", [b"image/png", b"application/zip", b"video/mp4", b"font/woff2", b"application/pdf", b""]
)
def test_what_is_compressed_by_itself_is_not(kind: bytes) -> None:
    assert not compressible(200, ((b"content-type", kind),), 10_000)


def test_a_short_body_or_one_of_another_status_is_not_compressed() -> None:
    assert not compressible(200, (JSON,), SMALLEST - 1)
    assert not compressible(404, (JSON,), 10_000)
    assert not compressible(200, (), 10_000)


def test_nothing_is_compressed_twice_or_against_the_handlers_will() -> None:
    assert not compressible(200, (JSON, (b"content-encoding", b"gzip")), 10_000)
    assert compressible(200, (JSON, (b"content-encoding", b"identity")), 10_000)
    assert not compressible(200, (JSON, (b"cache-control", b"max-age=5, No-Transform")), 10_000)
    several = ((b"cache-control", b"no-transform"), (b"cache-control", b"max-age=5"))
    assert not compressible(200, (JSON, *several), 10_000)
    assert not compressible(200, (JSON, (b"content-encoding", b"gzip"), (b"content-encoding", b"identity")), 10_000)


def test_a_coding_pays_from_a_tenth_on() -> None:
    assert pays(1000, 900)
    assert not pays(1000, 901)


def test_each_coding_has_a_strong_validator_of_its_own() -> None:
    assert etag_of(b'"abc"', "br") == b'"abc-br"'
    assert etag_of(b'"abc"', "gzip") == b'"abc-gzip"'
    assert etag_of(b'W/"abc"', "br") == b'W/"abc"'
    assert etag_of(b"none", "br") == b"none"


def test_caches_in_front_learn_that_the_answer_differs_by_coding() -> None:
    assert with_vary((JSON,)) == (JSON, (b"vary", b"accept-encoding"))
    both = (JSON, (b"vary", b"Accept-Language, Accept-Encoding"))
    assert with_vary(both) == both
    other = (JSON, (b"vary", b"accept-language"))
    assert with_vary(other) == (*other, (b"vary", b"accept-encoding"))


def test_a_list_beyond_the_bound_is_not_looked_at() -> None:
    filler = b"x;q=0.1," * ((LONGEST_ACCEPTED - 4) // 8)
    assert chosen(filler + b"gzip", ("gzip",)) == "gzip"
    assert chosen(filler + b"gzip".ljust(20), ("gzip",)) is None
