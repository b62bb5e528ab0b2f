"""Jitter: entries that were made together don't go stale together, and never later than declared."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.decision import Action, Decision, Reason
from millpond.policy.entry import Entry
from millpond.policy.freshness import Reader, judge, oldest_fresh
from millpond.policy.http.headers import lasting_headers
from millpond.policy.lifetime import InvalidJitter, checked_jitter, drawn_jitter

NOON = 1_800_000_000.0


def entry(jitter: float, revalidate: float | None = 60.0, expire: float | None = 600.0) -> Entry:
    return Entry(
        key="response /a",
        status=200,
        headers=(),
        body=b"a",
        rendered_at=NOON,
        revalidate=revalidate,
        expire=expire,
        jitter=jitter,
    )


@given(share=st.floats(0, 0.999), key=st.text(), at=st.floats(0, 4e9))
def test_what_is_drawn_is_below_the_share_and_always_the_same(share: float, key: str, at: float) -> None:
    drawn = drawn_jitter(share, key, at)
    assert 0 <= drawn <= share
    assert drawn == drawn_jitter(share, key, at)


def test_keys_are_spread_evenly_and_each_render_draws_anew() -> None:
    drawn = [drawn_jitter(0.1, f"/p/{number}", NOON) for number in range(10_000)]
    for tenth in range(10):
        assert 900 < sum(tenth / 100 <= one < (tenth + 1) / 100 for one in drawn) < 1100
    assert drawn_jitter(0.1, "/p/1", NOON) != drawn_jitter(0.1, "/p/1", NOON + 60)
    assert drawn_jitter(0.0, "/p/1", NOON) == 0


@given(jitter=st.floats(0, 0.999), revalidate=st.floats(0.01, 1e9), age=st.floats(0, 2e9))
def test_it_is_stale_earlier_and_never_later_and_expires_as_ever(jitter: float, revalidate: float, age: float) -> None:
    spread = entry(jitter, revalidate, 1.5e9)
    plain = entry(0, revalidate, 1.5e9)
    judged = judge(spread, NOON + age, lambda _: None, "")
    without = judge(plain, NOON + age, lambda _: None, "")
    assert judged.servable is without.servable
    assert without.fresh or not judged.fresh
    assert judged.fresh is (judged.servable and age_at(age) <= oldest_fresh(spread))


def age_at(age: float) -> float:
    return (NOON + age) - NOON


def test_a_readers_own_limit_has_the_same_share() -> None:
    for age, fresh in ((27, True), (28, False)):
        assert judge(entry(0.1), NOON + age, lambda _: None, "", reader=Reader(30)).fresh is fresh


def test_an_entry_without_a_limit_never_goes_stale() -> None:
    assert entry(0.5, None, None).stale_after is None
    assert judge(entry(0.5, None, None), NOON + 1e9, lambda _: None, "").fresh
    assert oldest_fresh(entry(0.5, None, None)) == math.inf


@pytest.mark.parametrize(
    ("jitter", "revalidate", "said"),
    [
        (0.0, 60.0, b"s-maxage=60, stale-while-revalidate=540"),
        (0.05, 60.0, b"s-maxage=57, stale-while-revalidate=543"),
        (0.049, 60.0, b"s-maxage=57, stale-while-revalidate=542"),
        (0.5, 1.0, b"s-maxage=1, stale-while-revalidate=599"),
    ],
)
def test_caches_in_front_are_told_the_same(jitter: float, revalidate: float, said: bytes) -> None:
    decision = Decision(Action.HIT, Reason.FRESH)
    assert dict(lasting_headers((), entry(jitter, revalidate), decision))[b"cache-control"] == said


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, math.nan, math.inf, True, "0.1"])
def test_what_is_no_share_is_refused(share: object) -> None:
    with pytest.raises(InvalidJitter, match="share of the lifetime"):
        checked_jitter(share)
