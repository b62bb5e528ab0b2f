"""Whether functions of FastAPI and Starlette are the original ones: a tracer replaces one to observe its calls."""

from __future__ import annotations

import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def untouched(functions: Iterable[Any], package: str) -> bool:
    """Whether all of `functions` are plain functions that are defined in modules of `package`.

    The module is found by the function's globals, which can't be changed. `functools.wraps` copies the name, the
    module name and the docstring of the original to a replacement.
    """
    return all(
        type(function) is FunctionType and _home(function).partition(".")[0] == package for function in functions
    )


def _home(function: FunctionType) -> str:
    name: str = function.__globals__.get("__name__", "")
    module = sys.modules.get(name)
    return name if module is not None and function.__globals__ is vars(module) else ""
