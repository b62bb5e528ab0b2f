"""What of a query is part of a key, and keys of data: R4.12, R5.18."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.key import canonical_query, data_key, response_key

NAMES = ("page", "sort")


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        (b"", ""),
        (b"page=2", "page=2"),
        (b"sort=up&page=2", "page=2&sort=up"),
        (b"page=2&utm_source=x&sort=up", "page=2&sort=up"),
        (b"utm_source=x", ""),
        (b"page=2&page=2", "page=2"),
        (b"page=", "page="),
        (b"page", "page="),
        (b"page=a+b", "page=a+b"),
        (b"page=a%20b", "page=a+b"),
        (b"p%61ge=%32", "page=2"),
        (b"PAGE=2", ""),
        (b"&&page=2&&", "page=2"),
        (b"page=a%26sort%3Dx", "page=a%26sort%3Dx"),
    ],
)
def test_one_meaning_has_one_spelling(query: bytes, canonical: str) -> None:
    assert canonical_query(NAMES, query) == canonical


def test_without_names_nothing_is_seen() -> None:
    assert canonical_query((), b"page=2") == ""


def test_several_values_keep_their_order() -> None:
    assert canonical_query(NAMES, b"page=2&page=1") != canonical_query(NAMES, b"page=1&page=2")


def test_a_repeated_value_stays_where_it_stood_last() -> None:
    assert canonical_query(NAMES, b"page=1&page=2&page=1") == "page=2&page=1"


def test_bytes_that_are_no_text_have_one_spelling_too() -> None:
    assert canonical_query(NAMES, b"page=%FF") == canonical_query(NAMES, b"page=%ff")


values = st.lists(st.tuples(st.sampled_from([*NAMES, "other"]), st.text("ab &=+%é", max_size=4)), max_size=6)


@given(values)
def test_the_spelling_of_a_spelling_is_itself(pairs: list[tuple[str, str]]) -> None:
    once = canonical_query(NAMES, urlencode(pairs).encode())
    assert canonical_query(NAMES, once.encode()) == once


@given(values)
def test_the_last_value_of_each_name_stays_the_last(pairs: list[tuple[str, str]]) -> None:
    kept = parse_qsl(canonical_query(NAMES, urlencode(pairs).encode()), keep_blank_values=True)
    declared = [(name, value) for name, value in pairs if name in NAMES]
    assert dict(kept) == dict(declared)
    assert set(kept) == set(declared)


def test_a_query_and_a_path_are_told_apart() -> None:
    assert response_key("app/route.py", "/a", "page=2") != response_key("app/route.py", "/a%3Fpage=2")


# Keys of data

parts = st.lists(st.binary(max_size=6), max_size=4)


@given(parts, parts)
def test_no_two_lists_of_parts_share_a_key(a: list[bytes], b: list[bytes]) -> None:
    assert (data_key("fetch", *a) == data_key("fetch", *b)) is (a == b)


def test_a_fetch_and_a_function_never_share_a_key() -> None:
    assert data_key("fetch", b"x") != data_key("function", b"x")
