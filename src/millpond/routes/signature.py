"""A handler's signature, as FastAPI understands it: the request, and the parameters that the path fills."""

from __future__ import annotations

import functools
import inspect
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin
from uuid import UUID

from fastapi import Path as PathInfo
from fastapi import Request
from pydantic.fields import FieldInfo
from pydantic_core import core_schema

from millpond.errors import RouteModuleError
from millpond.routes.folder import SegmentKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

    from millpond.errors import Place
    from millpond.routes.folder import Segment

_SCALARS = (str, bytes, int, float, complex, Decimal, UUID, date, time, timedelta, Enum)
_UNBOUND = {
    inspect.Parameter.POSITIONAL_ONLY: "is positional-only",
    inspect.Parameter.VAR_POSITIONAL: "takes any arguments",
    inspect.Parameter.VAR_KEYWORD: "takes any arguments",
}


def adapt(function: Callable[..., Any], segments: Iterable[Segment], place: Place) -> Callable[..., Any]:
    """`function` as FastAPI can call it: `request` is the request, and a segment's parameter is what the path holds.

    A function that needs nothing of this is returned as it is. `place` is where messages say it stands.

    Raises:
        RouteModuleError: a parameter can't be given by name, an annotation can't be evaluated, or a catch-all is
            annotated as one value.
    """
    given = signature_of(function, place)
    by_name = {segment.parameter: segment for segment in segments}
    adapted = [_adapt_parameter(parameter, by_name, place) for parameter in given.parameters.values()]
    if all(new is old for new, old in zip(adapted, given.parameters.values(), strict=True)):
        return function

    @functools.wraps(function)
    def handler(**values: Any) -> Any:  # FastAPI looks through __wrapped__ to learn whether to await it
        return function(**values)

    by_keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in adapted]
    handler.__signature__ = given.replace(parameters=by_keyword)  # type: ignore[attr-defined]
    return handler


def signature_of(function: Callable[..., Any], place: Place) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except NameError as error:
        remedy = "import it at the top of the file, not under `if TYPE_CHECKING:`"
        raise RouteModuleError(f"{place}: an annotation can't be evaluated: {error}; {remedy}.") from error
    except Exception as error:
        raise RouteModuleError(f"{place}: the signature can't be read: {type(error).__name__}: {error}.") from error


def _adapt_parameter(parameter: inspect.Parameter, segments: dict[str, Segment], place: Place) -> inspect.Parameter:
    if parameter.kind in _UNBOUND:
        raise RouteModuleError(
            f"{place}: the parameter {parameter} {_UNBOUND[parameter.kind]}, and handlers are called by name; "
            "list the parameters (a decorator needs functools.wraps)."
        )
    bare = parameter.annotation is inspect.Parameter.empty
    segment = segments.get(parameter.name)
    if segment is None:
        return parameter.replace(annotation=Request) if bare and parameter.name == "request" else parameter
    if segment.kind is SegmentKind.PARAM:
        return parameter.replace(annotation=str) if bare else parameter
    annotation = list[str] if bare else parameter.annotation
    _check_catch_all(annotation, parameter, segment, place)
    shown = Annotated[str, *_documentation(annotation), Segments(annotation, parameter.default)]
    return parameter.replace(annotation=shown, default=inspect.Parameter.empty)


def _check_catch_all(annotation: Any, parameter: inspect.Parameter, segment: Segment, place: Place) -> None:
    inner = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    if isinstance(inner, type) and get_origin(inner) is None and issubclass(inner, _SCALARS):
        raise RouteModuleError(
            f"{place}: {parameter.name} is annotated {inner.__name__}, and {segment.folder} gives a list; "
            f"write `{parameter.name}: list[{inner.__name__}]`."
        )


def _documentation(annotation: Any) -> list[FieldInfo]:
    """What `Path(...)` in an annotation says about the parameter; its constraints are those of the list."""
    infos = [info for info in get_args(annotation)[1:] if isinstance(info, FieldInfo)]
    return [
        PathInfo(title=info.title, description=info.description, examples=info.examples, deprecated=info.deprecated)
        for info in infos[-1:]
        if get_origin(annotation) is Annotated
    ]


class Segments:
    """Tells pydantic that a path parameter, a string to FastAPI, is a list of segments.

    The value in the path's parameters is the list of decoded segments; it is validated as what the handler's
    annotation says. When nothing is left for an optional catch-all the handler's own default holds.
    """

    def __init__(self, annotation: Any, default: Any) -> None:
        self.annotation, self.default = annotation, default

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        schema = handler.generate_schema(self.annotation)
        if self.default is inspect.Parameter.empty:
            return schema
        return core_schema.no_info_wrap_validator_function(self._or_default, schema)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string"}

    def _or_default(self, value: Any, handler: core_schema.ValidatorFunctionWrapHandler) -> Any:
        return handler(value) if value else self.default
