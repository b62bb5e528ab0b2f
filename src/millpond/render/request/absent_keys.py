"""Keys that the made-up request of a shared render lacks, and a visitor's may have: middleware leaves some in a scope.

Only endpoints in code share them. In a route file nothing is missed, as a render has no visitor to take it from.
"""

from __future__ import annotations

import collections.abc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastapi
import starlette

from millpond.render.request.access import read_by_tracer
from millpond.render.request.tracked_mappings import tracked
from millpond.render.scopes.dynamic_use import named

if TYPE_CHECKING:
    from types import FrameType

    from millpond.render.scopes.shared_scope import SharedScope

_FRAMEWORK = tuple(
    f"{folder}{os.sep}" for folder in (Path(__file__).parents[2], *fastapi.__path__, *starlette.__path__)
)
_PASSED_ON = (collections.abc.Mapping.get.__code__.co_filename, str(Path(__file__).parent) + os.sep)
"""Files whose functions read on behalf of their callers: `request.get(key)` asks `Mapping`."""


def record_absent(render: SharedScope, api: str, key: object) -> None:
    """Note that a key is read that isn't there, or all keys, where `key` is None.

    FastAPI and Starlette ask for keys of their own, which no visitor's middleware sets.

    Raises:
        DynamicAccess: an endpoint, or a dependency of it, reads.
    """
    if not render.target.route.shares_request_state or render.answer_complete or not render.tracks_request:
        return
    frame = sys._getframe(2)  # noqa: SLF001 - the documented way to a caller's frame
    if not _reader(frame).startswith(_FRAMEWORK) and not read_by_tracer(frame):
        render.record_access(named(api, key))


def _reader(frame: FrameType | None) -> str:
    while frame is not None and frame.f_code.co_filename.startswith(_PASSED_ON):
        frame = frame.f_back
    return "" if frame is None else frame.f_code.co_filename


@tracked
class StateKeys(dict[str, Any]):
    """`scope["state"]` of a shared render, for those who read it without `request.state`."""

    def __init__(self, state: dict[str, Any], render: SharedScope) -> None:
        super().__init__(state)
        self._render = render

    def record_access(self, key: object) -> None:
        """Note a read of a key, or of all for None."""
        if key is None or not dict.__contains__(self, key):
            record_absent(self._render, "request.state", key)
