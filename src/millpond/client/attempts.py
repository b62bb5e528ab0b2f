"""Trying again what may pass: an invalidation that takes place twice does no harm."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from millpond.errors import UnreachedError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_PASSING = ("locked", "unreachable")
_FIRST_PAUSE = 0.1
"""Seconds; the pause doubles with each try."""


def tried(
    work: Callable[[float], T],
    seconds: float,
    retries: int,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """The result of `work`, which is called again after failures that may pass.

    Args:
        work: gets the seconds that are left.
        seconds: the time limit of all calls together.
        retries: how often it is called again.
        monotonic: seconds.
        sleep: waits some seconds.

    Raises:
        UnreachedError: the last one of `work`.
    """
    ends, pause = monotonic() + seconds, _FIRST_PAUSE
    while True:
        try:
            return work(max(0.001, ends - monotonic()))
        except UnreachedError as error:
            if error.reason not in _PASSING or retries <= 0 or monotonic() + pause >= ends:
                raise
        sleep(pause)
        retries, pause = retries - 1, 2 * pause
