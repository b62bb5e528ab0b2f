"""How much a test does: little in each run of the tests, and a lot in `make soak`."""

from __future__ import annotations

import os


def times(short: int, long: int) -> int:
    """How often: `short`, or `long` where the environment has `LONG_FORMS=1`."""
    return long if os.environ.get("LONG_FORMS") == "1" else short
