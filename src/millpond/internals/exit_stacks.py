"""What FastAPI closes at the end of a request: its dependencies with `yield`, in the order in which it does."""

from __future__ import annotations

import inspect
from contextlib import AsyncExitStack
from functools import cache
from types import CodeType
from typing import TYPE_CHECKING

from fastapi import routing

from millpond.internals.private_name import PrivateName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

CALLBACKS = PrivateName(
    "contextlib",
    "AsyncExitStack._exit_callbacks",
    "what a request has invalidated counts again at its end, whether anything is committed there or not",
    sample=AsyncExitStack,
)
NAMES = (CALLBACKS,)

_KEYS = ("fastapi_function_astack", "fastapi_inner_astack")
"""The keys of an ASGI scope with the stacks: that of dependencies with scope="function", which closes before the
answer is sent, and that of all others, which closes after the answer and its background tasks."""


def closing(scope: Mapping[str, Any]) -> list[AsyncExitStack] | None:
    """The stacks of a request in which something is to be closed; none where FastAPI doesn't answer it.

    Returns:
        None if that can't be told.
    """
    if not (CALLBACKS.is_known and _are_keys_known()):
        return None
    stacks = [scope.get(key) for key in _KEYS]
    return [stack for stack in stacks if isinstance(stack, AsyncExitStack) and stack._exit_callbacks]  # type: ignore[attr-defined]  # noqa: SLF001 - see the module


def closes_last(scope: Mapping[str, Any], stack: AsyncExitStack) -> bool:
    """Whether a stack is the one that closes after the answer."""
    return scope.get(_KEYS[1]) is stack


def call_last(stack: AsyncExitStack, call: Callable[[], None]) -> None:
    """Call a function when everything in the stack has been closed, whatever was raised. Safe in any thread."""

    def exit_(*_: object) -> None:
        call()

    stack._exit_callbacks.appendleft((True, exit_))  # type: ignore[attr-defined]  # noqa: SLF001 - see the module


@cache
def _are_keys_known() -> bool:
    """Whether FastAPI's code has the keys, and a stack keeps its callbacks as expected."""
    stack = AsyncExitStack()
    stack.callback(int)
    kept = [*stack.pop_all()._exit_callbacks]  # type: ignore[attr-defined]  # noqa: SLF001 - see the module
    if len(kept) != 1 or not (isinstance(kept[0], tuple) and kept[0][0] is True and callable(kept[0][1])):
        return False
    code = getattr(inspect.unwrap(routing.request_response), "__code__", None)
    return code is not None and set(_KEYS) <= set(_texts(code))


def _texts(code: CodeType) -> list[str]:
    inner = [text for each in code.co_consts if isinstance(each, CodeType) for text in _texts(each)]
    return [*inner, *(each for each in code.co_consts if isinstance(each, str))]
