from __future__ import annotations

import pytest

from millpond.policy.retry import retry_pause


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (7, 32.0), (8, 60.0), (100_000, 60.0)])
def test_each_further_failure_doubles_the_pause_up_to_the_longest(failures: int, seconds: float) -> None:
    assert retry_pause(failures, 0.5, 60.0) == seconds
