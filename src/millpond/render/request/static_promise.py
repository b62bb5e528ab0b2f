"""ensure_static(): a GET that must not become live by accident."""

from __future__ import annotations

import inspect
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

from millpond.messages import at
from millpond.render.scopes.current_scope import required

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.errors import Place


def ensure_static() -> None:
    """Promise that this GET is static, so that a build fails if it is live, or has become live for a path.

    Call it in the first line of a GET, or in what the GET calls. It makes nothing static by itself. Where the GET's own
    code has the call, the build knows the promise even if the GET never runs, or ends before. A request that is
    answered live all the same, as in draft mode or in development, runs on; so do other methods.

    Raises:
        UsageError: outside of a handler or a cached function.
    """
    required("ensure_static()").promise_static()


def promises_static(function: Callable[..., Any]) -> bool:
    """Whether the code of a function, or of one that is defined in it, has the call."""
    while isinstance(function, partial):
        function = function.func
    plain = inspect.unwrap(getattr(function, "__func__", function))
    return isinstance(plain, FunctionType) and _names_it(plain.__code__, plain.__globals__)


def _names_it(code: Any, names: dict[str, Any]) -> bool:
    if any(names.get(name) is ensure_static for name in code.co_names):
        return True
    is_attribute = ensure_static.__name__ in code.co_names and any(
        getattr(names.get(name), ensure_static.__name__, None) is ensure_static
        for name in code.co_names
        if inspect.ismodule(names.get(name))
    )
    return is_attribute or any(_names_it(each, names) for each in code.co_consts if inspect.iscode(each))


def broken_promise(place: Place | None, why: object) -> str:
    """The message of the build.

    Args:
        place: where the promise is.
        why: what makes the GET live, with its place.
    """
    return (
        f"{at(place)}ensure_static() promises that this GET is static, but it is live: {why}. "
        "Leave out one of the two; what is read besides the request can be cached by @cached."
    )
