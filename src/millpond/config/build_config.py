"""`[build]`: how `millpond build` prerenders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from millpond.config.ranges import not_positive

if TYPE_CHECKING:
    from collections.abc import Iterator


class BuildConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[build]`: how `millpond build` prerenders."""

    concurrency: int = 8
    """Paths rendered at once."""
    timeout: float = 60.0
    """Seconds for one path; a path that needs longer is tried three times in all (R3.22)."""
    frozen: Literal["report", "error"] = "report"
    """What happens to a static answer that keeps an input which its route doesn't declare in `frozen_ok`."""

    def problems(self) -> Iterator[str]:
        """What is wrong with the values."""
        yield from not_positive({"build.concurrency": self.concurrency, "build.timeout": self.timeout})
