"""Random histories of composed answers, in short; `make soak` runs 100,000 steps."""

from __future__ import annotations

import pytest
from composed_histories import ComposedHistories, ComposedInVersion16, run_histories


@pytest.mark.parametrize("machine", [ComposedHistories, ComposedInVersion16])
def test_nobody_reads_data_that_a_returned_invalidation_has_ended(machine: type[ComposedHistories]) -> None:
    run_histories(machine, examples=6, steps=15)
