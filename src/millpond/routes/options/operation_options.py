"""@operation: the options that FastAPI takes in `@app.get(...)`, for a handler of a route file."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

from millpond.errors import Place, UsageError
from millpond.routes.options.option_values import OF_OPERATIONS, given, problem_of, unknown

if TYPE_CHECKING:
    from enum import Enum

    from fastapi.routing import APIRoute
    from starlette.responses import Response
    from starlette.routing import BaseRoute

HandlerT = TypeVar("HandlerT", bound=Callable[..., Any])

MARK = "__millpond_operation__"
"""What @operation leaves on a function; `functools.wraps` copies it."""

_ELSEWHERE = {
    "path": "the folder's name is the path; leave it out.",
    "methods": "the function's name is the method: name it GET, POST, …; leave it out.",
    "route_class_override": "file routes have a class of their own; put the work into a dependency or middleware.",
    "endpoint": "the function below the decorator is the handler; leave it out.",
    "revalidate": "write it as a constant of the file: revalidate = 60.",
    "dynamic": 'write it as a constant of the file: dynamic = "force-dynamic".',
    "fetch_cache": 'write it as a constant of the file: fetch_cache = "force-cache".',
    "default_response_class": "did you mean response_class?",
}


class OperationOptions(TypedDict, total=False):
    """The options of `@operation`: those of FastAPI's path decorators."""

    response_model: Any
    status_code: int | None
    tags: Sequence[str | Enum] | None
    dependencies: Sequence[Any] | None
    """What `Depends()` and `Security()` return."""
    summary: str | None
    description: str | None
    response_description: str
    responses: Mapping[int | str, Mapping[str, Any]] | None
    deprecated: bool | None
    operation_id: str | None
    response_model_include: Any
    response_model_exclude: Any
    response_model_by_alias: bool
    response_model_exclude_unset: bool
    response_model_exclude_defaults: bool
    response_model_exclude_none: bool
    include_in_schema: bool
    response_class: type[Response]
    name: str | None
    callbacks: Sequence[BaseRoute] | None
    openapi_extra: Mapping[str, Any] | None
    generate_unique_id_function: Callable[[APIRoute], str]
    strict_content_type: bool
    max_body_size: int | None
    form_limits: Mapping[str, Any] | None


files_with_marks: set[str] = set()
"""The files in which there is an @operation, absolute."""


@dataclass(frozen=True, slots=True)
class Marked:
    """What one @operation says."""

    options: Mapping[str, Any]
    written: Place
    """Where the decorator stands; the file is absolute."""

    def place(self, path: str, file: str) -> Place:
        """Where the decorator stands, as messages show it.

        Args:
            path: a file of the project, absolute.
            file: the same, relative to the project.
        """
        return Place(self.written.file.removeprefix(path.removesuffix(file)), self.written.line)


def operation(function: None = None, /, **options: Unpack[OperationOptions]) -> Callable[[HandlerT], HandlerT]:
    """Give a handler of a route file the options that FastAPI takes in `@app.get(...)` and the like.

    The handler itself is returned, so that it can be called as before.

    Args:
        function: never given: the decorator has parentheses.
        options: FastAPI's, by name; those of the folder's `router.py` and of the application come first, as with
            `include_router`.

    Raises:
        UsageError: an option doesn't exist, or doesn't take the value; or what is decorated is no function.
    """
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to a caller's frame
    place = Place(frame.f_code.co_filename, frame.f_lineno)
    if function is not None:
        raise UsageError.at(place, "@operation has no options; write @operation(...), or leave it out.")
    for name, value in options.items():
        if name not in OF_OPERATIONS:
            raise UsageError.at(place, f"@operation has no option {name}; {unknown(name, OF_OPERATIONS, _ELSEWHERE)}")
        problem = problem_of(name, value, OF_OPERATIONS)
        if problem is not None:
            raise UsageError.at(place, f"@operation: {problem}.")
    marked = Marked(MappingProxyType(given(options)), place)
    files_with_marks.add(place.file)

    def decorate(handler: HandlerT) -> HandlerT:
        below: object = handler
        if inspect.isclass(below) or not callable(below):
            what = "a class" if inspect.isclass(below) else f"a value of type {type(below).__name__}"
            raise UsageError.at(place, f"@operation stands above {what}; it belongs above a function of a route file.")
        if marked_of(handler) is not None:
            raise UsageError.at(place, f"{_name(handler)} has two @operation; write all options into one.")
        try:
            setattr(handler, MARK, marked)
        except AttributeError:
            raise UsageError.at(place, f"@operation can't mark {_name(handler)}; put it above a function.") from None
        return handler

    return decorate


def marked_of(function: object) -> Marked | None:
    """What the @operation of a function says; None if it has none."""
    marked = inspect.getattr_static(function, MARK, None)  # a proxy must not be woken
    return marked if isinstance(marked, Marked) else None


def _name(function: object) -> str:
    return getattr(function, "__name__", type(function).__name__)
