"""What a route declares of a request, as FastAPI has found out, and who asks for it."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel

from millpond.internals.fastapi_names import FILE, FORM, dependant_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from fastapi.dependencies.models import Dependant
    from fastapi.routing import APIRoute

    from millpond.internals.fastapi_names import ModelField


class Declared(NamedTuple):
    """An input that a route declares."""

    kind: str
    name: str
    by: Callable[..., Any] | None
    """The function that asks for it."""
    listed: int | None = None
    """The index in `route.dependencies` of the dependency on whose behalf it asks; None: of another one, or of none."""


def declared_by(route: APIRoute) -> Iterator[Declared]:
    """Each input that a route declares, and who asks for it; empty if FastAPI's name is unknown."""
    dependant = dependant_of(route)
    return iter(()) if dependant is None else _declared(dependant)


def declared(route: APIRoute) -> Iterator[Declared]:
    """The same, with what is asked for on behalf of the route's listed dependencies marked."""
    dependant = dependant_of(route)
    if dependant is None:
        return
    listed = len(route.dependencies)  # FastAPI puts them in front
    for index, dependency in enumerate(dependant.dependencies[:listed]):
        yield from (found._replace(listed=index) for found in _declared(dependency, dependant.call))
    yield from _declared(dataclasses.replace(dependant, dependencies=dependant.dependencies[listed:]))


def accepted_types(route: APIRoute) -> tuple[str, ...]:
    """The media types of bodies that a route declares to take; empty if it declares none, or FastAPI's name is unknown.

    Those that its `openapi_extra` lists come before what FastAPI finds in the signature.
    """
    body = (route.openapi_extra or {}).get("requestBody")
    content = body.get("content") if isinstance(body, dict) else None
    if isinstance(content, dict) and content:
        return tuple(content)
    dependant = dependant_of(route)
    infos = [] if dependant is None else list(_bodies(dependant))
    if any(isinstance(info, FILE) for info in infos):
        return ("multipart/form-data",)
    if any(isinstance(info, FORM) for info in infos):
        return ("application/x-www-form-urlencoded", "multipart/form-data")
    return tuple(dict.fromkeys(info.media_type for info in infos))


def _bodies(dependant: Dependant) -> Iterator[Any]:
    for field in dependant.body_params:
        yield field.field_info
    for dependency in dependant.dependencies:
        yield from _bodies(dependency)


def _declared(dependant: Dependant, by: Callable[..., Any] | None = None) -> Iterator[Declared]:
    """Each input, and who asks for it; `by`: the function that this dependant is given to."""
    call = inspect.unwrap(dependant.call) if dependant.call is not None else None
    if isinstance(scheme := getattr(call, "scheme_name", None), str):
        yield Declared("security", scheme, by)
    for field in dependant.query_params:
        yield from (Declared("query", name, call) for name in _names(field))
    for field in dependant.header_params:
        yield from (Declared("header", name.replace("_", "-").lower(), call) for name in _names(field))
    for field in dependant.cookie_params:
        yield from (Declared("cookie", name, call) for name in _names(field))
    for field in dependant.body_params:
        yield Declared("form" if isinstance(field.field_info, FORM) else "body", field.alias, call)
    for dependency in dependant.dependencies:
        yield from _declared(dependency, call)


def _names(field: ModelField) -> list[str]:
    """The names that a parameter reads: a model (`Annotated[Filters, Query()]`) reads one per field."""
    model = field.field_info.annotation
    if isinstance(model, type) and issubclass(model, BaseModel):
        return [each.alias or name for name, each in model.model_fields.items()]
    return [field.alias]
