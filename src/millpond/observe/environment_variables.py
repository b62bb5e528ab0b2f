"""Reads of environment variables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

EVERY_VARIABLE = "every variable"
"""The name of a read that goes over all of them."""

ENVIRON = type(os.environ).__qualname__
"""The class of the environment, in the module `os`."""
_SETTINGS = ("decouple", "environ", "environs", "pydantic_settings")
"""Packages that read variables for who calls them."""
_MAPPING = ("collections.abc", "_collections_abc", "starlette.config")
_IN_OS = ("getenv", "getenvb")
_IN_PATH = ("expandvars",)


def variable_in(frame: FrameType) -> str:
    """The name that a call of `os.environ.__getitem__` (or `os.environb`'s) asks for."""
    key = frame.f_locals.get("key")
    return os.fsdecode(key) if isinstance(key, str | bytes) else ""


def every_variable(_: FrameType) -> str:
    """The name for a call that reads all of them."""
    return EVERY_VARIABLE


def reads_for_caller(frame: FrameType) -> bool:
    """Whether a library's frame between the environment and the user's line only passes on what that line asks for.

    Libraries have variables of their own (proxies, home folders), and these say nothing about the answer.
    """
    module, function = frame.f_globals.get("__name__", ""), frame.f_code.co_qualname
    if module == "os":
        return function in _IN_OS or function.startswith(f"{ENVIRON}.")
    if module in ("posixpath", "ntpath"):
        return function in _IN_PATH
    return module in _MAPPING or module.partition(".")[0] in _SETTINGS
