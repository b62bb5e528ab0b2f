"""Lifetimes: lowest wins (R4.17), the end of what is time-based (R4.20), the cells of the build table (K.6)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.compat import Compat
from millpond.policy.http.headers import cache_control
from millpond.policy.lifetime import FOREVER, YEAR, Lifetime, lower
from millpond.prerender.build_table import duration_cell

durations = st.none() | st.floats(0, 1e9)
lifetimes = st.builds(Lifetime, durations, durations)


def test_the_lowest_wins_field_by_field() -> None:
    assert Lifetime(60, 300).lowered(Lifetime(10, 600)) == Lifetime(10, 300)
    assert Lifetime(10, 600).lowered(Lifetime(60, 300)) == Lifetime(10, 300)


def test_nothing_lowers_to_endless() -> None:
    assert Lifetime(60, 300).lowered(FOREVER) == Lifetime(60, 300)
    assert FOREVER.lowered(Lifetime(60, 300)) == Lifetime(60, 300)


def test_zero_is_lower_than_everything() -> None:
    assert lower(0, None) == lower(None, 0) == lower(0, 5) == 0


@given(a=lifetimes, b=lifetimes, c=lifetimes)
def test_the_order_of_lowering_does_not_matter(a: Lifetime, b: Lifetime, c: Lifetime) -> None:
    assert a.lowered(b) == b.lowered(a)
    assert a.lowered(b).lowered(c) == a.lowered(b.lowered(c))
    assert a.lowered(a) == a


def test_a_time_based_answer_without_an_end_gets_one() -> None:
    assert Lifetime(60).bounded(YEAR) == Lifetime(60, YEAR)


def test_with_an_infinite_expire_time_it_has_no_end_and_headers_can_say_so() -> None:
    assert Lifetime(60).bounded(math.inf) == Lifetime(60)
    assert cache_control(Lifetime(60).bounded(math.inf)) == b"s-maxage=60"


def test_an_end_of_its_own_stays() -> None:
    assert Lifetime(60, 300).bounded(YEAR) == Lifetime(60, 300)
    assert Lifetime(60, 2 * YEAR).bounded(YEAR) == Lifetime(60, 2 * YEAR)


@pytest.mark.parametrize("lifetime", [FOREVER, Lifetime(0), Lifetime(None, 100)])
def test_what_is_not_time_based_gets_no_end(lifetime: Lifetime) -> None:
    assert lifetime.bounded(YEAR) == lifetime


@pytest.mark.parametrize(
    ("seconds", "cell"),
    [
        (1, "1s"),
        (10, "10s"),
        (59, "59s"),
        (60, "1m"),
        (61, "≈1m"),
        (900, "15m"),
        (3600, "1h"),
        (5400, "≈2h"),
        (9000, "≈3h"),
        (86_400, "1d"),
        (90_000, "25h"),
        (172_800, "2d"),
        (604_800, "1w"),
        (864_000, "10d"),
        (2_592_000, "30d"),
        (31_536_000, "1y"),
        (31_535_940, "≈52w"),
        (0.5, "0.5s"),
        (None, ""),
        (0, ""),
    ],
)
def test_durations_in_the_build_table(seconds: float | None, cell: str) -> None:
    assert duration_cell(seconds) == cell


def test_a_plain_get_is_static_by_default_in_14_only() -> None:
    assert [compat for compat in Compat if compat.get_is_static_by_default] == [Compat.V14]
