"""Tags and generations: R6.21 to R6.23 with windows, and D27."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.tags import CLEAN, Cleanliness, TagRow, TagVerdict, invalidated, judge_tags

T0 = 1_000.0


def never_invalidated(tag: str) -> TagRow | None:
    return None


def verdict(row: TagRow, generation: int, now: float = T0) -> Cleanliness:
    return judge_tags(["t"], generation, {"t": row}.get, now).cleanliness


# One invalidation


def test_a_hard_invalidation_expires_what_is_older() -> None:
    row = invalidated(None, 5, T0, 0)
    assert verdict(row, 4) is Cleanliness.EXPIRED
    assert verdict(row, 5) is Cleanliness.CLEAN
    assert verdict(row, 6) is Cleanliness.CLEAN


def test_a_soft_invalidation_makes_stale_what_is_older_for_as_long_as_you_like() -> None:
    row = invalidated(None, 5, T0, None)
    assert verdict(row, 4, T0 + 1e9) is Cleanliness.STALE
    assert verdict(row, 5) is Cleanliness.CLEAN


def test_a_window_makes_stale_and_at_its_end_expires() -> None:
    row = invalidated(None, 5, T0, 30)
    assert verdict(row, 4, T0) is Cleanliness.STALE
    assert verdict(row, 4, T0 + 29.999) is Cleanliness.STALE
    assert verdict(row, 4, T0 + 30) is Cleanliness.EXPIRED


def test_a_negative_window_is_over_at_once() -> None:
    assert verdict(invalidated(None, 5, T0, -1), 4) is Cleanliness.EXPIRED


def test_an_entry_rendered_inside_a_window_survives_its_end() -> None:
    row = invalidated(None, 5, T0, 30)
    assert verdict(row, 5, T0 + 1000) is Cleanliness.CLEAN


# More than one


def test_a_soft_mark_after_a_hard_one_does_not_revive() -> None:
    row = invalidated(invalidated(None, 5, T0, 0), 6, T0 + 1, None)
    assert verdict(row, 4) is Cleanliness.EXPIRED


def test_a_soft_mark_after_a_hard_one_does_not_expire_what_was_rendered_in_between() -> None:
    row = invalidated(invalidated(None, 5, T0, 0), 6, T0 + 1, None)
    assert verdict(row, 5) is Cleanliness.STALE
    assert verdict(row, 6) is Cleanliness.CLEAN


def test_a_hard_mark_inside_a_window_expires_at_once() -> None:
    row = invalidated(invalidated(None, 5, T0, 30), 6, T0 + 1, 0)
    assert verdict(row, 4) is Cleanliness.EXPIRED
    assert verdict(row, 5) is Cleanliness.EXPIRED
    assert verdict(row, 6, T0 + 1000) is Cleanliness.CLEAN


def test_a_soft_mark_inside_a_window_does_not_prolong_it() -> None:
    row = invalidated(invalidated(None, 5, T0, 30), 6, T0 + 1, None)
    assert verdict(row, 4, T0 + 30) is Cleanliness.EXPIRED
    assert verdict(row, 5, T0 + 30) is Cleanliness.STALE


def test_a_soft_mark_after_a_window_ended_leaves_it_ended() -> None:
    row = invalidated(invalidated(None, 5, T0, 30), 6, T0 + 100, None)
    assert verdict(row, 4, T0 + 100) is Cleanliness.EXPIRED
    assert verdict(row, 5, T0 + 1000) is Cleanliness.STALE


def test_a_window_after_one_that_ended_gives_nothing_back() -> None:
    row = invalidated(invalidated(None, 5, T0, 30), 6, T0 + 100, 30)
    assert verdict(row, 4, T0 + 100) is Cleanliness.EXPIRED
    assert verdict(row, 5, T0 + 129) is Cleanliness.STALE
    assert verdict(row, 5, T0 + 130) is Cleanliness.EXPIRED
    assert verdict(row, 6, T0 + 130) is Cleanliness.CLEAN


def test_a_longer_window_does_not_prolong_a_shorter_one() -> None:
    row = invalidated(invalidated(None, 5, T0, 30), 6, T0 + 1, 1000)
    assert verdict(row, 4, T0 + 30) is Cleanliness.EXPIRED


def test_a_shorter_window_ends_a_longer_one_early() -> None:
    row = invalidated(invalidated(None, 5, T0, 1000), 6, T0 + 1, 10)
    assert verdict(row, 4, T0 + 11) is Cleanliness.EXPIRED
    assert verdict(row, 5, T0 + 11) is Cleanliness.EXPIRED


def test_of_two_windows_that_overlap_both_end_with_the_earlier() -> None:
    # A row has one window: what the second concerns is rendered again early rather than served too long.
    row = invalidated(invalidated(None, 5, T0, 30), 6, T0 + 20, 30)
    assert verdict(row, 5, T0 + 29) is Cleanliness.STALE
    assert verdict(row, 5, T0 + 30) is Cleanliness.EXPIRED


# Several tags


def test_without_tags_or_rows_everything_is_clean() -> None:
    assert judge_tags([], 0, never_invalidated, T0) == CLEAN
    assert judge_tags(["t", "u"], 0, never_invalidated, T0) == CLEAN


def test_expired_wins_over_stale_in_any_order() -> None:
    rows = {"stale": TagRow(5), "expired": TagRow(5, expired=5)}
    for tags in (["stale", "expired", "other"], ["expired", "stale"], ["other", "stale", "expired"]):
        assert judge_tags(tags, 4, rows.get, T0) == TagVerdict(Cleanliness.EXPIRED, "expired")


def test_the_verdict_names_the_tag_that_decided() -> None:
    assert judge_tags(["a", "b", "c"], 4, {"b": TagRow(5)}.get, T0) == TagVerdict(Cleanliness.STALE, "b")


# Any history, against the list of all that happened

steps = st.lists(st.tuples(st.floats(0, 50), st.none() | st.sampled_from([0.0, 5.0, 40.0])), min_size=1, max_size=8)


@given(steps=steps, captured=st.integers(0, 9), later=st.floats(0, 200))
def test_a_row_forgets_nothing_and_adds_nothing(
    steps: list[tuple[float, float | None]], captured: int, later: float
) -> None:
    now, row = T0, None
    history: list[tuple[int, float, float | None]] = []
    for generation, (pause, expire_after) in enumerate(steps, 1):
        now += pause
        row = invalidated(row, generation, now, expire_after)
        history.append((generation, now, expire_after))
    assert row is not None
    now += later
    concerning = [(at, after) for generation, at, after in history if generation > captured]
    found = verdict(row, captured, now)
    assert (found is Cleanliness.CLEAN) is (not concerning)
    if any(after is not None and at + after <= now for at, after in concerning):
        assert found is Cleanliness.EXPIRED
    elif found is Cleanliness.EXPIRED:
        # Only the window that was running already may have ended this one early.
        assert any(
            after is not None and any(a is not None and b <= at < b + a <= now for _, b, a in history)
            for at, after in concerning
        )
