"""Freshness and validity (4.2): each row of the table, clocks that move oddly, and the pause after a failure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.decision import Reason
from millpond.policy.entry import Backoff, Entry
from millpond.policy.freshness import CLOCK_TOLERANCE, Judgement, Reader, age_of, backoff_after_failure, judge
from millpond.policy.key import shared_key
from millpond.policy.tags import TagRow, invalidated

BUILD = "build-1"
THEN = 1_000_000.0
FRESH = Judgement(True, True, Reason.FRESH)


def never_invalidated(tag: str) -> TagRow | None:
    return None


def rendered(**fields: Any) -> Entry:
    values: dict[str, Any] = {"revalidate": 60.0, "expire": 600.0, "build": BUILD, "rendered_at": THEN}
    return Entry(**{"key": "/a", "status": 200, "headers": (), "body": b"", **values, **fields})


def judged(entry: Entry, age: float = 0, rows: dict[str, TagRow] | None = None) -> Judgement:
    """Without its ttl, which tests of its own are about."""
    return judge(entry, THEN + age, (rows or {}).get, BUILD)._replace(ttl=None)


def ttl(entry: Entry, age: float = 0, rows: dict[str, TagRow] | None = None) -> int | None:
    return judge(entry, THEN + age, (rows or {}).get, BUILD).ttl


# Age


@pytest.mark.parametrize("age", [0, 59.9, 60])
def test_an_entry_is_fresh_up_to_and_at_its_revalidate(age: float) -> None:
    assert judged(rendered(), age) == FRESH


@pytest.mark.parametrize("age", [60.001, 61, 599, 600])
def test_beyond_revalidate_it_is_stale_up_to_and_at_its_expire(age: float) -> None:
    assert judged(rendered(), age) == Judgement(True, False, Reason.AGE)


@pytest.mark.parametrize("age", [600.001, 10**6, 10**10])
def test_beyond_expire_it_is_not_servable(age: float) -> None:
    assert judged(rendered(), age) == Judgement(False, False, Reason.EXPIRED)


def test_without_a_lifetime_it_is_fresh_for_ever() -> None:
    assert judged(rendered(revalidate=None, expire=None), 10**10) == FRESH


def test_expire_counts_without_a_revalidate_and_before_it() -> None:
    assert judged(rendered(revalidate=None, expire=100), 101).reason is Reason.EXPIRED
    assert judged(rendered(revalidate=60, expire=10), 11).reason is Reason.EXPIRED


def test_an_entry_of_the_build_has_its_age_on_the_first_request() -> None:
    assert judged(rendered(), 59) == FRESH
    assert age_of(rendered(), THEN + 86_400) == 86_400


# Validity


def test_an_entry_of_another_build_is_not_servable() -> None:
    assert judge(rendered(), THEN, never_invalidated, "build-2") == Judgement(False, False, Reason.OTHER_BUILD, ttl=-1)


SHARED = shared_key("response\0app/route.py\0/a\0", "f1")


def test_what_builds_share_is_stale_of_an_earlier_build_and_as_ones_own_of_a_later_one() -> None:
    entry = rendered(key=SHARED)
    assert judge(entry, THEN, never_invalidated, "build-2") == Judgement(True, False, Reason.FORMER_BUILD, ttl=-1)
    assert judge(entry, THEN, never_invalidated, "build-0") == judge(entry, THEN, never_invalidated, BUILD)
    assert judge(entry, THEN + 61, never_invalidated, "build-0").reason is Reason.AGE


@pytest.mark.parametrize(
    ("fields", "age", "reason"),
    [({}, 601, Reason.EXPIRED), ({"tags": ("t",)}, 0, Reason.TAG), ({"revalidate": None}, 10**6, Reason.EXPIRED)],
)
def test_what_an_earlier_build_shares_ends_as_it_would_have(fields: dict[str, Any], age: float, reason: Reason) -> None:
    found = judge(rendered(key=SHARED, **fields), THEN + age, {"t": TagRow(1, expired=1)}.get, "build-2")
    assert (found.servable, found.reason) == (False, reason)


def test_a_former_builds_answer_whose_refresh_failed_is_paused_like_any_other() -> None:
    entry = rendered(key=SHARED, backoff=Backoff(THEN, 30, 0))
    assert judge(entry, THEN + 1, never_invalidated, "build-2").reason is Reason.REFRESH_FAILED
    assert judge(entry, THEN + 31, never_invalidated, "build-2").reason is Reason.FORMER_BUILD


def test_a_former_builds_answer_that_is_stale_by_a_tag_says_that_it_is_a_former_builds() -> None:
    rows = {"t": TagRow(1, expired=0, expiring=0)}
    found = judge(rendered(key=SHARED, tags=("t",)), THEN, rows.get, "build-2")
    assert found == Judgement(True, False, Reason.FORMER_BUILD, "t", -1)


def test_an_expired_tag_makes_it_unservable() -> None:
    rows = {"t": TagRow(1, expired=1)}
    assert judged(rendered(tags=("s", "t")), 0, rows) == Judgement(False, False, Reason.TAG, "t")


def test_a_stale_tag_makes_it_stale() -> None:
    assert judged(rendered(tags=("s", "t")), 0, {"t": TagRow(1)}) == Judgement(True, False, Reason.TAG, "t")


def test_an_invalidation_that_the_render_knew_of_changes_nothing() -> None:
    assert judged(rendered(tags=("t",), generation=1), 0, {"t": TagRow(1, expired=1)}) == FRESH


def test_an_expired_tag_wins_over_mere_age() -> None:
    rows = {"t": TagRow(1, expired=1)}
    assert judged(rendered(tags=("t",)), 61, rows) == Judgement(False, False, Reason.TAG, "t")


def test_a_tag_counts_for_entries_without_a_lifetime_too() -> None:
    entry = rendered(tags=("t",), revalidate=None, expire=None)
    assert not judged(entry, 0, {"t": TagRow(1, expired=1)}).servable


def test_a_window_is_stale_until_it_ends_and_expired_then() -> None:
    entry = rendered(tags=("t",), revalidate=None, expire=None)
    rows = {"t": invalidated(None, 1, THEN, 5)}
    assert judged(entry, 4.9, rows) == Judgement(True, False, Reason.TAG, "t")
    assert judged(entry, 5, rows) == Judgement(False, False, Reason.TAG, "t")


# Clocks


def test_age_is_never_negative() -> None:
    assert age_of(rendered(), THEN - 100) == 0


@pytest.mark.parametrize("age", [-0.1, -CLOCK_TOLERANCE])
def test_a_clock_a_little_behind_changes_nothing(age: float) -> None:
    assert judged(rendered(), age) == FRESH


def test_an_entry_from_the_future_is_stale_rather_than_fresh_for_long() -> None:
    assert judged(rendered(), -CLOCK_TOLERANCE - 0.1) == Judgement(True, False, Reason.AGE)
    assert judged(rendered(rendered_at=2**40), 0) == Judgement(True, False, Reason.AGE)


def test_an_entry_from_the_future_without_a_lifetime_is_fresh() -> None:
    assert judged(rendered(revalidate=None, expire=None), -10_000) == FRESH


def test_times_after_2038_are_ordinary() -> None:
    entry = rendered(rendered_at=float(2**33))
    assert judge(entry, 2**33 + 60, never_invalidated, BUILD).fresh
    assert not judge(entry, 2**33 + 60.5, never_invalidated, BUILD).fresh


# The pause after a failed refresh (R4.26)


@pytest.mark.parametrize(
    ("revalidate", "seconds"), [(None, 3), (0.5, 3), (1, 3), (3, 3), (10, 10), (30, 30), (31, 30), (86_400, 30)]
)
def test_the_pause_is_the_interval_within_3_to_30_seconds(revalidate: float | None, seconds: float) -> None:
    assert backoff_after_failure(rendered(revalidate=revalidate), THEN, 7) == Backoff(THEN, seconds, 7)


def paused(entry: Entry, age: float, generation: int = 0) -> Entry:
    return entry.with_backoff(backoff_after_failure(entry, THEN + age, generation))


def test_a_paused_entry_counts_as_fresh_until_the_pause_ends() -> None:
    entry = paused(rendered(), 100)
    assert judged(entry, 100) == Judgement(True, True, Reason.REFRESH_FAILED)
    assert judged(entry, 129.9) == Judgement(True, True, Reason.REFRESH_FAILED)
    assert judged(entry, 130) == Judgement(True, False, Reason.AGE)


def test_a_pause_does_not_outlive_expire() -> None:
    entry = paused(rendered(), 590)
    assert judged(entry, 600).fresh
    assert judged(entry, 600.1) == Judgement(False, False, Reason.EXPIRED)


def test_a_pause_holds_another_build_back_from_nothing() -> None:
    assert not judge(paused(rendered(), 100), THEN + 100, never_invalidated, "build-2").servable


@pytest.mark.parametrize("row", [TagRow(6), TagRow(6, expiring=6, expire_at=THEN + 1000)])
def test_a_newer_invalidation_ends_a_pause(row: TagRow) -> None:
    entry = paused(rendered(tags=("s", "t"), generation=5), 100, generation=5)
    assert judged(entry, 101).fresh
    assert judged(entry, 101, {"t": row}) == Judgement(True, False, Reason.TAG, "t")


def test_the_invalidation_that_the_failed_refresh_was_for_does_not_end_its_pause() -> None:
    entry = paused(rendered(tags=("t",), generation=5), 30, generation=6)
    assert judged(entry, 31, {"t": TagRow(6)}) == Judgement(True, True, Reason.REFRESH_FAILED, "t")


def test_an_expired_tag_wins_over_a_pause() -> None:
    entry = paused(rendered(tags=("t",), generation=5), 30, generation=9)
    assert not judged(entry, 31, {"t": TagRow(9, expired=6)}).servable


def test_a_window_that_ends_during_a_pause_ends_the_entry() -> None:
    row = invalidated(None, 1, THEN + 30, 5)
    entry = paused(rendered(tags=("t",)), 31, generation=1)
    assert judged(entry, 32, {"t": row}).fresh
    assert not judged(entry, 35, {"t": row}).servable


def test_a_pause_from_the_future_is_none() -> None:
    entry = paused(rendered(), 100)
    assert judged(entry, 99) == Judgement(True, False, Reason.AGE)


# How long it stays fresh


def test_ttl_counts_down_through_zero() -> None:
    assert [ttl(rendered(), age) for age in (0, 50, 50.5, 60, 60.5, 75)] == [60, 10, 9, 0, -1, -15]
    assert ttl(rendered(revalidate=None), 10) is None


def test_ttl_is_the_rest_of_a_back_off() -> None:
    entry = paused(rendered(), 100)
    assert ttl(entry, 110) == 20
    assert ttl(entry, 130) == -70


@pytest.mark.parametrize("expire_after", [None, 100.0])
@pytest.mark.parametrize("revalidate", [None, 60.0])
def test_what_a_tag_made_stale_has_no_time_left(revalidate: float | None, expire_after: float | None) -> None:
    entry = rendered(revalidate=revalidate, tags=("t",))
    rows = {"t": invalidated(None, 1, THEN + 5, expire_after)}
    assert judged(entry, 5, rows) == Judgement(True, False, Reason.TAG, "t")
    assert ttl(entry, 5, rows) == -1


def test_an_invalidation_ends_a_back_off_and_its_ttl() -> None:
    entry = paused(rendered(tags=("t",)), 100)
    rows = {"t": invalidated(None, 1, THEN + 105, None)}
    assert judged(entry, 110, rows) == Judgement(True, False, Reason.TAG, "t")
    assert ttl(entry, 110, rows) == -50


def test_an_entry_from_the_future_has_no_time_left() -> None:
    assert ttl(rendered(), -10) == -1


# What one reader asks besides


def judged_for(reader: Reader, entry: Entry, age: float, rows: dict[str, TagRow] | None = None) -> Judgement:
    return judge(entry, THEN + age, (rows or {}).get, BUILD, reader=reader)


def test_a_readers_own_limit_stands_in_place_of_the_stored_one() -> None:
    assert judged_for(Reader(5), rendered(), 6) == Judgement(True, False, Reason.AGE, None, -1)
    assert judged_for(Reader(100), rendered(), 90) == Judgement(True, True, Reason.FRESH, None, 10)


def test_a_readers_tags_count_as_the_entrys() -> None:
    rows = {"t": invalidated(None, 1, THEN, 0)}
    assert judged_for(Reader(tags=("t",)), rendered(), 1, rows).reason is Reason.TAG
    assert not judged_for(Reader(tags=("t",)), rendered(), 1, rows).servable


@pytest.mark.parametrize(("tags", "own"), [(("t",), ()), ((), ("t",))])
def test_a_reader_gets_nothing_from_before_its_own_invalidation(tags: tuple[str, ...], own: tuple[str, ...]) -> None:
    reader = Reader(tags=own, own_invalidations={"t": 3})
    assert not judged_for(reader, rendered(tags=tags, generation=2), 1).servable
    assert judged_for(reader, rendered(tags=tags, generation=3), 1).fresh


def test_a_reader_that_waits_takes_no_back_off_for_freshness() -> None:
    entry = paused(rendered(), 100)
    assert judged_for(Reader(waits=True), entry, 110) == Judgement(True, False, Reason.AGE, None, -50)


# Properties

seconds = st.floats(0, 1e9)
lifetimes = st.none() | st.floats(0.001, 1e6)
kinds = st.sampled_from([None, 0.0, 5.0, 100.0])


@st.composite
def entries(draw: st.DrawFn, *, pausing: bool) -> Entry:
    entry = rendered(
        revalidate=draw(lifetimes),
        expire=draw(lifetimes),
        generation=draw(st.integers(0, 5)),
        tags=tuple(draw(st.lists(st.sampled_from("tuv"), unique=True))),
    )
    if not pausing or not draw(st.booleans()):
        return entry
    return entry.with_backoff(backoff_after_failure(entry, THEN + draw(st.floats(0, 200)), draw(st.integers(0, 6))))


@st.composite
def row_sets(draw: st.DrawFn) -> dict[str, TagRow]:
    rows: dict[str, TagRow] = {}
    for generation in range(1, draw(st.integers(1, 6))):
        tag = draw(st.sampled_from("tuv"))
        rows[tag] = invalidated(rows.get(tag), generation, THEN + 10 * generation, draw(kinds))
    return rows


@given(entry=entries(pausing=True), rows=row_sets(), age=seconds, later=seconds)
def test_what_is_not_servable_never_becomes_servable_again(
    entry: Entry, rows: dict[str, TagRow], age: float, later: float
) -> None:
    if not judged(entry, age, rows).servable:
        assert not judged(entry, age + later, rows).servable


@given(entry=entries(pausing=False), rows=row_sets(), age=seconds, later=seconds)
def test_once_stale_it_is_never_fresh_again_without_a_render(
    entry: Entry, rows: dict[str, TagRow], age: float, later: float
) -> None:
    if not judged(entry, age, rows).fresh:
        assert not judged(entry, age + later, rows).fresh


@given(entry=entries(pausing=True), rows=row_sets(), age=seconds)
def test_what_is_fresh_is_servable_and_within_expire(entry: Entry, rows: dict[str, TagRow], age: float) -> None:
    judgement = judged(entry, age, rows)
    assert judgement.servable or not judgement.fresh
    if judgement.servable:
        assert entry.expire is None or age_of(entry, THEN + age) <= entry.expire


@given(entry=entries(pausing=True), rows=row_sets(), age=seconds, tag=st.sampled_from("tuv"), kind=kinds)
def test_an_invalidation_never_makes_an_entry_better(
    entry: Entry, rows: dict[str, TagRow], age: float, tag: str, kind: float | None
) -> None:
    before = judged(entry, age, rows)
    after = judged(entry, age, {**rows, tag: invalidated(rows.get(tag), 7, THEN + age, kind)})
    assert (after.servable, after.fresh) <= (before.servable, before.fresh)
    if tag in entry.tags:
        assert not after.fresh
        if kind == 0:
            assert not after.servable


@given(entry=entries(pausing=True), rows=row_sets(), age=st.floats(0, 1e6))
def test_only_what_is_fresh_has_time_left(entry: Entry, rows: dict[str, TagRow], age: float) -> None:
    judgement, left = judged(entry, age, rows), ttl(entry, age, rows)
    if judgement.fresh:
        assert left is None or left >= 0
    else:
        assert left is not None
        assert left < 0


# Out of touch


def test_nothing_is_fresh_while_invalidations_may_be_unknown() -> None:
    entry = rendered(tags=("t",))
    unknown = Judgement(True, False, Reason.STORE_UNREACHABLE)
    assert judge(entry, THEN, never_invalidated, BUILD, is_synced=False) == unknown
    assert judge(entry, THEN + 61, never_invalidated, BUILD, is_synced=False) == unknown
    paused = entry.with_backoff(Backoff(THEN, 30, 0))
    assert judge(paused, THEN + 1, never_invalidated, BUILD, is_synced=False) == unknown


def test_what_is_invalid_stays_so_out_of_touch() -> None:
    entry = rendered(tags=("t",))
    rows = {"t": TagRow(1, expired=1)}
    assert judge(entry, THEN, rows.get, BUILD, is_synced=False).reason is Reason.TAG
    assert not judge(entry, THEN + 601, never_invalidated, BUILD, is_synced=False).servable
    assert not judge(entry, THEN, never_invalidated, "another build", is_synced=False).servable
