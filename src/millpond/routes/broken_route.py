"""What stands in for a route whose file can't be loaded, while `millpond dev` serves the others."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from millpond.errors import MillpondError
from millpond.policy.segment import Dynamic, SegmentConfig
from millpond.routes.exports import METHODS
from millpond.routes.module import RouteModule

if TYPE_CHECKING:
    from millpond.routes.scan import RouteFile

Explained: TypeAlias = Callable[[Request], Response]
"""Answers any request with what is wrong."""
Explain: TypeAlias = Callable[[MillpondError], Explained]
"""Called once for each file that can't be loaded."""

_ANSWERED = [method for method in METHODS if method not in ("HEAD", "OPTIONS")]
"""The other two have answers without a function."""


def broken_module(file: RouteFile, explained: Explained) -> RouteModule:
    """A module of `file` in which every method is answered by `explained`, and nothing is cached."""

    async def answer(request: Request) -> Response:
        return explained(request)

    try:
        digest = hashlib.sha256(file.path.read_bytes()).hexdigest()
    except OSError:  # that is what is wrong with it
        digest = ""
    return RouteModule(
        file=file,
        module=types.ModuleType(file.path.stem),
        functions=dict.fromkeys(_ANSWERED, answer),
        config=SegmentConfig(dynamic=Dynamic.FORCE_DYNAMIC),
        generate_static_params=None,
        lines={},
        warnings=(),
        digest=digest,
    )
