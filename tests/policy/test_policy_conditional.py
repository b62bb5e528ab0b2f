"""Conditional requests: RFC 9110 §13 (D9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.http.conditional import LONGEST_DATE, LONGEST_TAGS, Conditions, headers_of_304

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.policy.entry import Headers

ETAG = ((b"etag", b'"abc"'),)
MODIFIED = ((b"last-modified", b"Mon, 01 Jan 2024 00:00:00 GMT"),)


def not_modified(request: Iterable[tuple[bytes, bytes]], status: int, response: Headers) -> bool:
    return Conditions.of(request).hold(status, response)


def asks(*values: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"if-none-match", value) for value in values]


def since(value: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"if-modified-since", value)]


@pytest.mark.parametrize(
    "value", [b'"abc"', b' "abc" ', b'W/"abc"', b'"x", "abc"', b'"x","abc","y"', b"*", b" * ", b'"a,b", "abc"']
)
def test_a_client_that_holds_the_answer_is_told_so(value: bytes) -> None:
    assert not_modified(asks(value), 200, ETAG)


@pytest.mark.parametrize(
    "value", [b"", b'"abd"', b"abc", b'"ABC"', b'"abc', b'"x", "y"', b'w/"x"', b'"*"', b'"a", "b" "c']
)
def test_a_client_that_holds_another_answer_gets_this_one(value: bytes) -> None:
    assert not not_modified(asks(value), 200, ETAG)


def test_the_tags_may_stand_in_several_lines() -> None:
    assert not_modified(asks(b'"x"', b'"abc"'), 200, ETAG)


def test_a_weak_tag_of_ours_matches_weakly() -> None:
    assert not_modified(asks(b'"abc"'), 200, ((b"etag", b'W/"abc"'),))


def test_a_comma_inside_a_tag_does_not_split_it() -> None:
    assert not_modified(asks(b'"a,b"'), 200, ((b"etag", b'"a,b"'),))
    assert not not_modified(asks(b'"a,b"'), 200, ((b"etag", b'"b"'),))


def test_a_tag_of_the_handler_that_is_none_never_matches() -> None:
    assert not not_modified(asks(b"abc"), 200, ((b"etag", b"abc"),))
    assert not not_modified(asks(b'"abc"'), 200, ())


def test_the_star_matches_without_any_tag() -> None:
    assert not_modified(asks(b"*"), 200, ())


@pytest.mark.parametrize("status", [204, 200, 299])
def test_conditions_count_for_good_answers(status: int) -> None:
    assert not_modified(asks(b'"abc"'), status, ETAG)


@pytest.mark.parametrize("status", [301, 304, 404, 410, 500])
def test_conditions_count_for_no_others(status: int) -> None:
    assert not not_modified(asks(b'"abc"'), status, ETAG)
    assert not not_modified(since(b"Tue, 02 Jan 2024 00:00:00 GMT"), status, MODIFIED)


def test_a_request_without_conditions_gets_the_answer() -> None:
    assert not not_modified([(b"accept", b"*/*")], 200, ETAG + MODIFIED)


@pytest.mark.parametrize(
    ("value", "held"),
    [
        (b"Sun, 31 Dec 2023 23:59:59 GMT", False),
        (b"Mon, 01 Jan 2024 00:00:00 GMT", True),
        (b"Tue, 02 Jan 2024 00:00:00 GMT", True),
        (b"Monday, 01-Jan-24 00:00:00 GMT", True),
    ],
)
def test_if_modified_since_counts_against_the_handlers_last_modified(value: bytes, held: bool) -> None:
    assert not_modified(since(value), 200, MODIFIED) is held


def test_if_modified_since_without_a_last_modified_counts_nothing() -> None:
    assert not not_modified(since(b"Tue, 02 Jan 2024 00:00:00 GMT"), 200, ETAG)


def test_if_none_match_wins_over_if_modified_since() -> None:
    later = since(b"Tue, 02 Jan 2024 00:00:00 GMT")
    earlier = since(b"Sun, 31 Dec 2023 00:00:00 GMT")
    assert not not_modified(asks(b'"other"') + later, 200, ETAG + MODIFIED)
    assert not_modified(asks(b'"abc"') + earlier, 200, ETAG + MODIFIED)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"yesterday",
        b"Mon, 99 Jan 2024 00:00:00 GMT",
        b"Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
        b"Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        b"Mon, 01 Jan 2024 00:00:00 -0000",
        b"\xff\xfe",
    ],
)
def test_a_date_that_is_none_is_ignored(value: bytes) -> None:
    assert not not_modified(since(value), 200, MODIFIED)
    assert not not_modified(since(b"Tue, 02 Jan 2024 00:00:00 GMT"), 200, ((b"last-modified", value),))


digits = st.integers(0, 10**25).map(str) | st.sampled_from(["01", "2024", "00:00:00", "Jan", "+0000", "GMT", "-", ":"])


@given(value=st.binary(max_size=60) | st.lists(digits, max_size=7).map(lambda parts: " ".join(parts).encode()))
def test_whatever_a_client_sends_is_never_an_error(value: bytes) -> None:
    not_modified(since(value), 200, MODIFIED)
    not_modified(asks(value), 200, ETAG)


def test_a_304_repeats_what_caches_need_and_nothing_that_describes_the_body() -> None:
    needed = [
        (b"cache-control", b"s-maxage=60"),
        (b"content-location", b"/a"),
        (b"etag", b'"abc"'),
        (b"expires", b"0"),
        (b"vary", b"accept"),
        (b"age", b"3"),
        (b"cache-status", b"Millpond; hit"),
        (b"x-nextjs-cache", b"HIT"),
    ]
    body = [(b"content-type", b"text/plain"), (b"content-encoding", b"gzip"), (b"content-length", b"3")]
    assert headers_of_304([*body, *needed]) == needed


def test_tags_beyond_the_bound_are_not_looked_at_and_neither_is_the_date_beside_them() -> None:
    filler = b'"x",' * (LONGEST_TAGS // 4 - 2)
    assert not_modified(asks(filler + b'"abc"'), 200, ETAG)
    assert not not_modified(asks(filler + b'"y","y","abc"'), 200, ETAG)
    assert not not_modified(asks(filler, b'"abc"', b'"yyyy"'), 200, ETAG)
    assert not not_modified(asks(filler * 2) + since(b"Tue, 02 Jan 2024 00:00:00 GMT"), 200, ETAG + MODIFIED)


def test_a_date_beyond_the_bound_is_not_looked_at() -> None:
    date = b"Tue, 02 Jan 2024 00:00:00 GMT"
    assert not_modified(since(date + b" " * (LONGEST_DATE - len(date))), 200, MODIFIED)
    assert not not_modified(since(date + b" " * LONGEST_DATE), 200, MODIFIED)


def test_the_conditions_of_a_request_are_read_once_for_all_forms_of_an_answer() -> None:
    conditions = Conditions.of(asks(b'"a", W/"b"'))
    assert conditions.tags == {b"a", b"b"}
    assert conditions.hold(200, ((b"etag", b'W/"a"'),))
    assert conditions.hold(200, ((b"etag", b'"b"'),))
    assert not conditions.hold(200, ((b"etag", b'"c"'),))


@pytest.mark.parametrize("unit", [b'"', b'"",', b"W/", b'"a', b"*,", b" ", b",", b"\xff"])
def test_what_a_condition_costs_does_not_grow_beyond_the_bound(unit: bytes) -> None:
    assert Conditions.of(asks(unit * 30_000)) == Conditions()
    assert Conditions.of(asks(*[unit] * 30_000)) == Conditions()
