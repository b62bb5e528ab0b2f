"""`eager`: in the last share of its lifetime a fresh entry is due, and nothing else changes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.decision import Reason
from millpond.policy.entry import Backoff, Entry
from millpond.policy.freshness import Judgement, Reader, due_after, judge
from millpond.policy.tags import TagRow

NOON = 1_800_000_000.0


def entry(
    revalidate: float | None = 60.0,
    expire: float | None = 600.0,
    *,
    jitter: float = 0.0,
    backoff: Backoff | None = None,
) -> Entry:
    return Entry(
        key="response /a",
        status=200,
        headers=(),
        body=b"a",
        rendered_at=NOON,
        revalidate=revalidate,
        expire=expire,
        tags=("t",),
        jitter=jitter,
        backoff=backoff,
    )


def judged(one: Entry, age: float, *, row: TagRow | None = None, reader: Reader | None = None) -> Judgement:
    return judge(one, NOON + age, lambda _: row, "", eager=0.1, reader=reader or Reader())


@pytest.mark.parametrize(("age", "due"), [(0, False), (53.9, False), (54, True), (60, True), (60.1, False)])
def test_an_entry_is_due_in_the_last_share_of_its_lifetime(age: float, due: bool) -> None:
    found = judged(entry(), age)
    assert found.due is due
    assert found.fresh is (age <= 60)


def test_jitter_and_a_readers_limit_move_it() -> None:
    assert judged(entry(jitter=0.5), 27).due
    assert not judged(entry(jitter=0.5), 26.9).due
    assert judged(entry(), 9, reader=Reader(10)).due
    assert not judged(entry(), 54, reader=Reader(600)).due


def test_what_expires_first_is_due_before_that() -> None:
    assert judged(entry(60, 30), 27).due
    assert not judged(entry(60, 30), 26).due


@pytest.mark.parametrize("revalidate", [None, 0.0])
def test_without_a_limit_nothing_is_due(revalidate: float | None) -> None:
    assert due_after(revalidate, 600, 0.1) == math.inf
    assert not judged(entry(revalidate), 599).due


def test_a_failed_refresh_leaves_it_fresh_and_due_only_after_the_pause() -> None:
    failed = entry(backoff=Backoff(NOON + 55, 3.0, 0))
    for age, due, reason in (
        (55, False, Reason.FRESH),
        (57.9, False, Reason.FRESH),
        (58.5, True, Reason.FRESH),
        (61, False, Reason.AGE),
    ):
        found = judged(failed, age)
        assert (found.due, found.reason) == (due, reason)
    again = entry(backoff=Backoff(NOON + 59, 3.0, 0))
    assert judged(again, 61).reason is Reason.REFRESH_FAILED
    assert judged(again, 59.5).ttl == 0


def test_an_invalidated_entry_is_not_due_but_stale() -> None:
    assert not judged(entry(), 55, row=TagRow(1, 0, 0, None)).due


@given(age=st.floats(0, 1e6), revalidate=st.floats(0.001, 1e6), jitter=st.floats(0, 0.99))
def test_it_changes_nothing_else(age: float, revalidate: float, jitter: float) -> None:
    one = entry(revalidate, 2e6, jitter=jitter)
    found = judged(one, age)
    assert found._replace(due=False) == judge(one, NOON + age, lambda _: None, "")
    assert found.fresh or not found.due
