"""How long an upstream lets its answer be used (RFC 9111, RFC 5861)."""

from __future__ import annotations

import math
import time

import pytest

from millpond.policy.upstream.upstream_life import UpstreamLife, upstream_life
from millpond.policy.upstream.validators import matches, renewed_headers

NOW = 1_800_000_000.0
NOON = b"Fri, 15 Jan 2027 08:00:00 GMT"
"""NOW, as HTTP writes it."""
IN_A_MINUTE = b"Fri, 15 Jan 2027 08:01:00 GMT"


def life(*control: str, authorized: bool = False, **headers: str | bytes) -> UpstreamLife:
    lines = [(b"cache-control", value.encode()) for value in control]
    others = [
        (name.encode().replace(b"_", b"-"), value if isinstance(value, bytes) else value.encode())
        for name, value in headers.items()
    ]
    return upstream_life((*lines, *others), NOW, authorized=authorized)


@pytest.mark.parametrize(
    ("control", "fresh", "stale", "kept"),
    [
        ("max-age=60", 60, 60, math.inf),
        ("MAX-AGE=60", 60, 60, math.inf),
        ('max-age="60"', 60, 60, math.inf),
        ("public, max-age=60, s-maxage=10", 10, 10, 10),
        ("s-maxage=10, max-age=60", 10, 10, 10),
        ("s-maxage=10, stale-while-revalidate=50", 10, 60, 60),
        ("max-age=10, stale-while-revalidate=50", 10, 60, math.inf),
        ("max-age=10, stale-if-error=100", 10, 10, 110),
        ("max-age=10, stale-while-revalidate=50, stale-if-error=20", 10, 60, 60),
        ("max-age=10, must-revalidate, stale-while-revalidate=50", 10, 10, 10),
        ("max-age=10, proxy-revalidate, stale-if-error=50", 10, 10, 10),
        ("max-age=0, stale-while-revalidate=50", 0, 50, 50),
        ("no-cache, max-age=60", 0, 0, 0),
        ("no-cache=set-cookie, max-age=60", 0, 0, 0),
        ("max-age=60, max-age=10", 60, 60, math.inf),
        ("max-age=1e3", 0, 0, 0),
        ("max-age=-1", 0, 0, 0),
        ("max-age", 0, 0, 0),
        ("max-age=99999999999999", 2**31, 2**31, math.inf),
        (f"max-age={'9' * 60}", 2**31, 2**31, math.inf),
        (f"max-age={'0' * 60}7", 7, 7, math.inf),
        ('x="a, max-age=5", max-age=60', 60, 60, math.inf),
        ("", 0, 0, 0),
        (",,;;===", 0, 0, 0),
    ],
)
def test_what_the_directives_say(control: str, fresh: float, stale: float, kept: float) -> None:
    assert life(control) == UpstreamLife(fresh, stale, kept)


def test_nothing_is_guessed() -> None:
    assert life(last_modified=b"Fri, 01 Jan 2010 08:00:00 GMT", date=NOON).must_validate


def test_several_lines_are_one() -> None:
    assert life("max-age=60", "stale-while-revalidate=5").stale == 65
    assert life("max-age=60", "no-store").refused == "Cache-Control: no-store"


def test_the_age_on_the_way_here_counts() -> None:
    assert life("max-age=60", age="20") == UpstreamLife(40, 40, math.inf)
    assert life("max-age=60, stale-while-revalidate=30", age="70")[:2] == (-10, 20)
    assert life("max-age=60", age="100").must_validate


@pytest.mark.parametrize(("age", "fresh"), [("9" * 60, 60 - 2**31), ("50, 3", 10), (" 50 ", 10), ("-1", 60), ("", 60)])
def test_an_age_that_is_huge_or_said_twice_makes_nothing_younger(age: str, fresh: float) -> None:
    assert life("max-age=60", age=age).fresh == fresh


@pytest.mark.parametrize(
    "date", ["Fri Jan 15 08:01:00 2027", "Fri, 15 Jan 2027 08:01:00", "Fri, 15 Jan 2027 08:01:00 -0000"]
)
def test_a_date_without_a_zone_is_gmt_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch, date: str) -> None:
    with monkeypatch.context() as there:
        there.setenv("TZ", "America/New_York")
        time.tzset()
        assert life(expires=date).fresh == 60
    time.tzset()


def test_expires_counts_where_there_is_no_max_age() -> None:
    assert life(expires=IN_A_MINUTE).fresh == 60
    assert life(expires=IN_A_MINUTE, date=NOON, age="10").fresh == 50
    assert life(expires=IN_A_MINUTE, date=IN_A_MINUTE).fresh == 0
    assert life("max-age=5", expires=IN_A_MINUTE).fresh == 5
    assert life(expires="0").must_validate
    assert life(expires=b"\xff").must_validate


@pytest.mark.parametrize(
    ("control", "why"),
    [
        ("no-store", "Cache-Control: no-store"),
        ("private, max-age=60", "Cache-Control: private"),
        ('private="x-user", max-age=60', "Cache-Control: private"),
        ("max-age=60, " + "x" * 5000, "its Cache-Control is too long"),
    ],
)
def test_what_may_not_be_stored(control: str, why: str) -> None:
    assert life(control).refused == why


def test_an_answer_that_varies_by_everything_isnt_stored() -> None:
    assert life("max-age=60", vary="accept, *").refused == "Vary: *"
    assert life("max-age=60", vary="accept").refused is None


@pytest.mark.parametrize("control", ["max-age=60, public", "s-maxage=60", "max-age=60, must-revalidate"])
def test_the_answer_to_credentials_is_stored_where_it_says_so(control: str) -> None:
    assert life(control, authorized=True).fresh == 60
    assert life("max-age=60", authorized=True).refused is not None


def test_long_headers_cost_little() -> None:
    assert life("max-age=60," + ", " * 2000 + '"' * 1000).refused == "its Cache-Control is too long"
    assert life('"' * 4000).must_validate
    assert life("a=" * 2000).must_validate


def test_a_304_updates_headers_but_not_those_of_the_body() -> None:
    stored = ((b"etag", b'"a"'), (b"content-type", b"text/plain"), (b"age", b"9"), (b"x", b"1"), (b"y", b"1"))
    new = (
        (b"ETag", b'W/"a"'),
        (b"X", b"2"),
        (b"X", b"3"),
        (b"Connection", b"z"),
        (b"Z", b"1"),
        (b"content-type", b"b"),
    )
    assert renewed_headers(stored, new) == (
        (b"content-type", b"text/plain"),
        (b"y", b"1"),
        (b"etag", b'W/"a"'),
        (b"x", b"2"),
        (b"x", b"3"),
    )
    assert matches(stored, new)
    assert not matches(stored, ((b"etag", b'"b"'),))
