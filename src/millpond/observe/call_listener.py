"""What a source of calls tells, and whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from types import FrameType


class CallListener(Protocol):
    """Who is told."""

    def called(self, function: Any, owner: Any, frame: FrameType) -> None:
        """`frame` calls a function in C whose name is one of `calls.NAMES`."""
        ...

    def begun(self, frame: FrameType) -> None:
        """A function in Python whose name is one of `functions.NAMES` or `handover.NAMES` has begun as `frame`."""
        ...
