"""FastAPI's options of operations and routers: which there are, and what values each takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import Any, TypeGuard

from fastapi import APIRouter, Depends
from starlette.responses import Response
from starlette.routing import BaseRoute

from millpond.messages import closest

DEPENDENCY = type(Depends())
"""The class of what `Depends()` and, of a subclass, `Security()` return."""

Problem = str | None
"""What is wrong with a value, and what to write instead; None: nothing is."""
Check = Callable[[object], Problem]


def _what(value: object) -> str:
    """The value, for a message; long ones by their type."""
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value) if len(repr(value)) <= 60 else f"a {type(value).__name__}"
    if inspect.isclass(value) or inspect.isroutine(value):
        return getattr(value, "__name__", repr(value))
    return f"a value of type {type(value).__name__}"


def _text(value: object) -> Problem:
    return None if isinstance(value, str) else f"is {_what(value)}; write a text"


def _boolean(value: object) -> Problem:
    return None if isinstance(value, bool) else f"is {_what(value)}; write True or False"


def _status(value: object) -> Problem:
    if isinstance(value, int) and not isinstance(value, bool) and 200 <= value <= 599:
        return None
    return f"is {_what(value)}; write a status from 200 to 599"


def _size(value: object) -> Problem:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return None
    return f"is {_what(value)}; write a whole number of bytes, 0 or more"


def _callable(value: object) -> Problem:
    return None if callable(value) else f"is {_what(value)}; write a function that takes the route and returns its id"


def _mapping(value: object) -> Problem:
    return None if isinstance(value, Mapping) else f"is {_what(value)}; write a dict"


def _anything(value: object) -> Problem:
    del value
    return None


def _tags(value: object) -> Problem:
    if _is_list(value) and all(isinstance(item, str | Enum) for item in value):
        return None
    if isinstance(value, str | Enum):
        return f"is {_what(value)}; write a list: [{value!r}]" if isinstance(value, str) else "is one tag; write a list"
    wrong = next((item for item in value if not isinstance(item, str | Enum)), None) if _is_list(value) else None
    return f"is {_what(value)}; write a list of texts" if wrong is None else f"has {_what(wrong)}; write texts"


def _dependencies(value: object) -> Problem:
    if isinstance(value, DEPENDENCY):
        return "is one dependency; write a list: [Depends(...)]"
    if not _is_list(value):
        return f"is {_what(value)}; write a list: [Depends(...)]"
    for item in value:
        if not isinstance(item, DEPENDENCY):
            name = getattr(item, "__name__", "...")
            return f"has {_what(item)}; write Depends({name})"
        if item.dependency is None:
            return "has Depends() without a function; write Depends(function)"
    return None


def _responses(value: object) -> Problem:
    if not isinstance(value, Mapping):
        return f"is {_what(value)}; write a dict of statuses: {{404: {{...}}}}"
    for status, described in value.items():
        if isinstance(status, bool) or not isinstance(status, int | str):
            return f'has the status {_what(status)}; write a number, a range such as "4XX", or "default"'
        if not isinstance(described, Mapping):
            return f"has {_what(described)} for {status}; write a dict, such as {{'model': ...}}"
    return None


def _response_class(value: object) -> Problem:
    if isinstance(value, type) and issubclass(value, Response):
        return None
    return f"is {_what(value)}; write a class of responses, such as HTMLResponse"


def _fields(value: object) -> Problem:
    if isinstance(value, Mapping) or (isinstance(value, Collection) and not isinstance(value, str | bytes)):
        return None
    return f"is {_what(value)}; write a set of the names of fields"


def _callbacks(value: object) -> Problem:
    if isinstance(value, APIRouter):
        return "is a router; write its routes: router.routes"
    if _is_list(value) and all(isinstance(item, BaseRoute) for item in value):
        return None
    return f"is {_what(value)}; write the routes of a router: router.routes"


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


_ALIKE: dict[str, Check] = {
    "tags": _tags,
    "dependencies": _dependencies,
    "responses": _responses,
    "callbacks": _callbacks,
    "deprecated": _boolean,
    "include_in_schema": _boolean,
    "generate_unique_id_function": _callable,
    "strict_content_type": _boolean,
    "max_body_size": _size,
    "form_limits": _mapping,
}

OF_OPERATIONS: dict[str, Check] = {
    "response_model": _anything,
    "status_code": _status,
    "tags": _tags,
    "dependencies": _dependencies,
    "summary": _text,
    "description": _text,
    "response_description": _text,
    "responses": _responses,
    "deprecated": _boolean,
    "operation_id": _text,
    "response_model_include": _fields,
    "response_model_exclude": _fields,
    "response_model_by_alias": _boolean,
    "response_model_exclude_unset": _boolean,
    "response_model_exclude_defaults": _boolean,
    "response_model_exclude_none": _boolean,
    "include_in_schema": _boolean,
    "response_class": _response_class,
    "name": _text,
    "openapi_extra": _mapping,
    **_ALIKE,
}
"""The options of FastAPI's path decorators, such as `@app.get`."""

OF_FOLDERS: dict[str, Check] = {**_ALIKE, "default_response_class": _response_class}
"""The options of an `APIRouter` that its operations inherit."""

_NULLABLE = {"response_model"}
"""Options for which None isn't the same as leaving them out."""


def unknown(name: str, known: Collection[str], elsewhere: Mapping[str, str]) -> str:
    """What to say about an option that doesn't exist.

    Args:
        name: what was written.
        known: the options that exist.
        elsewhere: what to do instead, by the names of options that exist in FastAPI only.
    """
    if name in elsewhere:
        return elsewhere[name]
    guess = closest(name, known)
    return f"did you mean {guess}?" if guess else f"there are {', '.join(sorted(known))}."


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options without those whose None means that they aren't given."""
    return {name: value for name, value in options.items() if value is not None or name in _NULLABLE}


def problem_of(name: str, value: object, checks: Mapping[str, Check]) -> Problem:
    """What is wrong with an option's value: `tags is "a"; write a list: ["a"]`."""
    if value is None:
        return None
    problem = checks[name](value)
    return None if problem is None else f"{name} {problem}"
