"""A variable of the environment that isn't set where the user's code needs it."""

from __future__ import annotations

import os
import traceback

_LOOK_UP = type(os.environ).__getitem__.__code__


def unset_variable(error: BaseException) -> str | None:
    """The variable that `os.environ[…]` didn't find, if that is what `error` is about."""
    if not isinstance(error, KeyError):
        return None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return os.fsdecode(error.args[0]) if frames and frames[-1].f_code is _LOOK_UP else None
