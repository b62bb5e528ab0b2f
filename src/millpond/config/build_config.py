"""`[build]`: how `millpond build` prerenders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from millpond.config.ranges import not_positive
from millpond.config.values.quantities import SecondsOrNever

if TYPE_CHECKING:
    from collections.abc import Iterator


class BuildConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[build]`: how `millpond build` prerenders."""

    concurrency: int = 8
    """Paths rendered concurrently, by all processes together."""
    workers: int | None = None
    """Processes that render, at most; by default as many as there are cores that the build may use."""
    timeout: SecondsOrNever = 60.0
    """Seconds for one path; a path that takes longer is attempted three times in all (R3.22)."""
    frozen: Literal["report", "error"] = "report"
    """What to do about a static answer that freezes an input that its route doesn't declare in `frozen_ok`."""

    def problems(self) -> Iterator[str]:
        """What is wrong with the values."""
        yield from not_positive(
            {"build.concurrency": self.concurrency, "build.workers": self.workers, "build.timeout": self.timeout}
        )
