"""Options of an operation that do nothing together with its method, its function or each other."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from fastapi.sse import EventSourceResponse
from starlette.responses import Response

from millpond.internals import fastapi_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi.routing import APIRoute

_OF_BODIES = ("max_body_size", "form_limits", "strict_content_type")
_OF_MODELS = (
    "response_model_include",
    "response_model_exclude",
    "response_model_exclude_unset",
    "response_model_exclude_defaults",
    "response_model_exclude_none",
)


def pointless(route: APIRoute, method: str, options: Mapping[str, Any], *, generates: bool) -> str | None:
    """What is pointless about an operation's own options, and what to do; None: nothing is.

    Args:
        route: the operation.
        method: its method.
        options: what its @operation says.
        generates: whether its function yields.
    """
    if not options:
        return None
    if method in ("GET", "HEAD"):
        for name in _OF_BODIES:
            if name in options:
                return f"{name} does nothing, as a {method} has no body here; leave it out"
    if not route.response_model and fastapi_names.item_type(route) is None:
        for name in _OF_MODELS:
            if options.get(name):
                return f"{name} does nothing without a response model; annotate what {method} returns, or leave it out"
    response_class = options.get("response_class")
    if not generates and isinstance(response_class, type) and issubclass(response_class, EventSourceResponse):
        returned = inspect.signature(inspect.unwrap(route.endpoint)).return_annotation
        if not (isinstance(returned, type) and issubclass(returned, Response)):
            return f"{response_class.__name__} sends what a handler yields, and {method} doesn't; yield the events"
    return None
