from __future__ import annotations

from typing import NamedTuple

import pytest

from millpond.policy.freshness import CLOCK_TOLERANCE
from millpond.policy.precedence import is_superseded, outlives_seed

NOW = 1_800_000_000.0


class Result(NamedTuple):
    generation: int
    rendered_at: float


@pytest.mark.parametrize(
    ("held", "offered", "superseded"),
    [
        (None, Result(0, NOW), False),
        (Result(1, NOW), Result(2, NOW - 60), False),
        (Result(2, NOW - 60), Result(1, NOW), True),
        (Result(1, NOW), Result(1, NOW - 1), True),
        (Result(1, NOW - 1), Result(1, NOW), False),
        (Result(1, NOW), Result(1, NOW), False),
        (Result(1, NOW + CLOCK_TOLERANCE), Result(1, NOW), True),
        (Result(1, NOW + CLOCK_TOLERANCE + 1), Result(1, NOW), False),
    ],
)
def test_the_later_result_stays_but_none_from_a_clock_that_was_ahead(
    held: Result | None, offered: Result, superseded: bool
) -> None:
    assert is_superseded(held, offered, NOW) is superseded


@pytest.mark.parametrize(
    ("held", "outlives"),
    [(None, False), (Result(0, NOW), True), (Result(0, NOW - 1), False), (Result(1, NOW - 1), True)],
)
def test_a_seed_takes_the_place_of_what_is_older(held: Result | None, outlives: bool) -> None:
    assert outlives_seed(held, Result(0, NOW)) is outlives
