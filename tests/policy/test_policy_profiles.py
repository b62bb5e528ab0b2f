"""Named lifetimes: R5.33, R5.34, R5.36 and K.15."""

from __future__ import annotations

import math

import pytest

from millpond.policy.lifetime import FOREVER, YEAR, Lifetime
from millpond.policy.profiles import (
    BUILT_IN,
    DEFAULT,
    InvalidLife,
    Profile,
    UnknownProfile,
    ages_given,
    ages_of,
    lowest,
    profile_from,
    profile_named,
    settled,
)

DEFAULT_LIFE = BUILT_IN[DEFAULT].lifetime


@pytest.mark.parametrize(
    ("name", "stale", "revalidate", "expire"),
    [
        ("default", 300, 900, None),
        ("seconds", 30, 1, 60),
        ("minutes", 300, 60, 3_600),
        ("hours", 300, 3_600, 86_400),
        ("days", 300, 86_400, 604_800),
        ("weeks", 300, 604_800, 2_592_000),
        ("max", 300, 2_592_000, YEAR),
    ],
)
def test_the_built_in_lifetimes_are_the_documented_ones(
    name: str, stale: float, revalidate: float, expire: float | None
) -> None:
    assert profile_named(name, BUILT_IN) == Profile(stale, revalidate, expire)


def test_the_built_in_lifetimes_are_all_there_are() -> None:
    assert len(BUILT_IN) == 7


@pytest.mark.parametrize("name", ["hour", "Hours", " hours ", "houres"])
def test_an_unknown_name_gets_a_hint(name: str) -> None:
    with pytest.raises(UnknownProfile, match='did you mean "hours"'):
        profile_named(name, BUILT_IN)


def test_a_name_like_no_other_gets_the_list() -> None:
    with pytest.raises(UnknownProfile, match="there are default, seconds, minutes"):
        profile_named("zzz", BUILT_IN)


# K.15


def test_revalidate_may_equal_expire_and_not_exceed_it() -> None:
    assert ages_given(revalidate=5, expire=5) == {"revalidate": 5, "expire": 5}
    with pytest.raises(InvalidLife, match="revalidate = 10 is more than expire = 5"):
        ages_given(revalidate=10, expire=5)
    with pytest.raises(InvalidLife):
        ages_given(revalidate=math.inf, expire=5)


@pytest.mark.parametrize("value", [False, True, "5", math.nan, -1, -math.inf, [5]])
@pytest.mark.parametrize("field", ["stale", "revalidate", "expire"])
def test_what_is_no_age_is_refused_by_its_name(field: str, value: object) -> None:
    with pytest.raises(InvalidLife, match=f"{field} = .* is not a valid age"):
        ages_given(**{field: value})  # type: ignore[arg-type]  # what a user may write


def test_zero_fractions_and_infinity_are_ages() -> None:
    assert ages_given(0, 0.5, math.inf) == {"stale": 0, "revalidate": 0.5, "expire": math.inf}


def test_what_is_left_out_is_not_given() -> None:
    assert ages_given() == {}


@pytest.mark.parametrize("profile", BUILT_IN.values(), ids=BUILT_IN)
def test_a_profile_is_its_three_ages(profile: Profile) -> None:
    assert profile_from(ages_of(profile)) == profile


# Several choices, and what follows from them


def test_of_several_choices_the_lowest_wins_field_by_field() -> None:
    assert lowest({"revalidate": 10, "expire": 20}, {"revalidate": 5, "stale": 1}) == {
        "revalidate": 5,
        "expire": 20,
        "stale": 1,
    }


def test_without_a_choice_the_least_of_the_default_and_of_what_is_nested_counts() -> None:
    assert settled({}, Lifetime(10, 100), DEFAULT_LIFE) == Lifetime(10, 100)
    assert settled({}, Lifetime(10_000), DEFAULT_LIFE) == Lifetime(900, None)


def test_a_choice_overrides_what_is_nested() -> None:
    assert settled({"revalidate": 3_600}, Lifetime(10, None), FOREVER) == Lifetime(3_600, None)


def test_a_chosen_infinity_is_never_though_the_default_has_an_end() -> None:
    assert settled({"revalidate": math.inf}, Lifetime(10, None), DEFAULT_LIFE).revalidate is None


def test_a_field_that_is_not_chosen_follows_the_default() -> None:
    assert settled({"expire": 5_000}, FOREVER, DEFAULT_LIFE) == Lifetime(900, 5_000)


def test_nothing_goes_stale_after_its_end() -> None:
    assert settled({"expire": 60}, FOREVER, DEFAULT_LIFE) == Lifetime(60, 60)
    assert settled({"expire": 60}, FOREVER, FOREVER) == Lifetime(60, 60)
