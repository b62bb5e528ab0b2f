"""When a cron is due. Berlin in 2027: on 28 March 2:00 becomes 3:00, and on 31 October 3:00 becomes 2:00."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.config.schedule import Schedule

BERLIN = ZoneInfo("Europe/Berlin")
EXPRESSIONS = [
    "*/5 * * * *",
    "30 2 * * *",
    "0 0 1 * *",
    "15 3 * * 1-5",
    "0 */6 * * *",
    "59 23 31 12 *",
    "*/10 * * * * *",
]


def at(text: str, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp()


def due(expression: str, begin: str, number: int) -> list[str]:
    """The first so many times after a moment, with their offset from UTC."""
    schedule, moment, found = Schedule(expression, "Europe/Berlin"), at(begin), []
    for _ in range(number):
        moment = schedule.after(moment)
        found.append(datetime.fromtimestamp(moment, BERLIN).strftime("%d %H:%M %z"))
    return found


def test_a_time_of_day_is_due_by_the_clock_of_its_zone_in_summer_and_in_winter() -> None:
    assert due("0 8 * * *", "2027-01-10T00:00", 1) == ["10 08:00 +0100"]
    assert due("0 8 * * *", "2027-07-10T00:00", 1) == ["10 08:00 +0200"]


def test_a_time_that_is_skipped_in_spring_is_due_when_the_clock_is_put_forward() -> None:
    assert due("30 2 * * *", "2027-03-27T00:00", 3) == ["27 02:30 +0100", "28 03:00 +0200", "29 02:30 +0200"]


def test_a_time_that_comes_twice_in_autumn_is_due_once() -> None:
    assert due("30 2 * * *", "2027-10-30T00:00", 3) == ["30 02:30 +0200", "31 02:30 +0200", "01 02:30 +0100"]


def test_every_half_hour_is_every_half_hour_through_both_changes() -> None:
    for begin in ("2027-03-28T00:00", "2027-10-31T00:00"):
        schedule, moments = Schedule("*/30 * * * *", "Europe/Berlin"), [at(begin)]
        for _ in range(12):
            moments.append(schedule.after(moments[-1]))
        assert {later - earlier for earlier, later in pairwise(moments)} == {1800}


@pytest.mark.parametrize("expression", EXPRESSIONS)
@given(moment=st.integers(1_790_000_000, 1_830_000_000))
def test_the_last_time_until_a_moment_is_one_after_which_nothing_comes_before_it(expression: str, moment: int) -> None:
    schedule = Schedule(expression, "Europe/Berlin")
    last = schedule.last(moment)
    assert last <= moment < schedule.after(last)
    assert schedule.last(last) == last
    assert schedule.last(last + 0.5) == last


def test_what_is_due_at_a_moment_is_not_due_after_it() -> None:
    schedule = Schedule("0 * * * *")
    assert schedule.after(7200.0) == 10800.0
    assert schedule.after(7199.9) == 7200.0
    assert schedule.last(7200.0) == 7200.0
    assert schedule.last(7199.9) == 3600.0
