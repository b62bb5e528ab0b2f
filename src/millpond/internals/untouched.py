"""Whether functions of FastAPI and Starlette are still their own: whoever replaced one wants to see its calls."""

from __future__ import annotations

import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def untouched(functions: Iterable[Any], package: str) -> bool:
    """Whether all of `functions` are plain functions that were written in modules of `package`.

    By the module whose globals they use, which is theirs for life: `functools.wraps` gives a replacement the name, the
    module and the text of what it replaces.
    """
    return all(
        type(function) is FunctionType and _home(function).partition(".")[0] == package for function in functions
    )


def _home(function: FunctionType) -> str:
    name: str = function.__globals__.get("__name__", "")
    module = sys.modules.get(name)
    return name if module is not None and function.__globals__ is vars(module) else ""
