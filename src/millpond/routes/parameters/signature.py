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
from millpond.routes.parameters.path_params import PathParams, of_folders, path_types
from millpond.routes.parameters.ported_names import is_request, refuse_misread, same_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

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


def adapt(
    function: Callable[..., Any], segments: Iterable[Segment], place: Place, method: str = "GET"
) -> Callable[..., Any]:
    """`function` as FastAPI can call it: with the request, and with what the path holds.

    A function that needs nothing of this is returned as it is.

    Args:
        function: a handler.
        segments: the dynamic segments of its path; each fills the parameter of its name.
        place: where messages say that it stands.
        method: what it answers.

    Raises:
        RouteModuleError: a parameter can't be given by name, an annotation can't be evaluated, a catch-all is
            annotated as one value, or a parameter has a name that means something else in JavaScript.
    """
    given = signature_of(function, place)
    taken = _Parameters({segment.parameter: segment for segment in segments}, given.parameters, method, place)
    adapted = taken.adapted()
    if len(adapted) == len(given.parameters) and all(
        new is old for new, old in zip(adapted, given.parameters.values(), strict=True)
    ):
        return function
    call = taken.calling(function) if taken.for_all else function

    @functools.wraps(function)
    def handler(**values: Any) -> Any:  # FastAPI looks through __wrapped__ to learn whether to await it
        return call(**values)

    by_keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in adapted]
    handler.__signature__ = given.replace(parameters=by_keyword)  # type: ignore[attr-defined]
    return handler


class _Parameters:
    """What each parameter of a handler is."""

    def __init__(
        self, folders: dict[str, Segment], given: Mapping[str, inspect.Parameter], method: str, place: Place
    ) -> None:
        self.folders, self.given, self.method, self.place = folders, given, method, place
        self.path = of_folders(folders.values())
        self.for_all: list[str] = []
        """Those that get all parameters of the path."""
        self.added: dict[str, inspect.Parameter] = {}
        """What FastAPI is asked for, for them."""

    def adapted(self) -> list[inspect.Parameter]:
        """The parameters that FastAPI is shown."""
        own = [self._adapted(parameter, index) for index, parameter in enumerate(self.given.values())]
        return [*(parameter for parameter in own if parameter is not None), *self.added.values()]

    def calling(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A call with the path's parameters as a dict."""
        names, for_all, added = [segment.parameter for segment in self.path], self.for_all, self.added

        def call(**values: Any) -> Any:
            path = {name: values[name] for name in names}
            passed = {name: value for name, value in values.items() if name not in added}
            return function(**passed, **{name: PathParams(path) for name in for_all})

        return call

    def _adapted(self, parameter: inspect.Parameter, index: int) -> inspect.Parameter | None:
        if parameter.kind in _UNBOUND:
            raise RouteModuleError(
                f"{self.place}: the parameter {parameter} {_UNBOUND[parameter.kind]}, and handlers are called by name; "
                "list the parameters (a decorator needs functools.wraps)."
            )
        folder = self.folders.get(parameter.name)
        if folder is not None:
            return _filled(parameter, folder, self.place)
        types = path_types(parameter, self.path, self.given, self.method, self.place)
        if types is not None:
            self._take_all(parameter.name, types)
            return None
        if is_request(parameter, first=index == 0):
            return parameter.replace(annotation=Request)
        self._refuse_other_spelling(parameter)
        refuse_misread(parameter, [segment.parameter for segment in self.path], self.place)
        return parameter

    def _take_all(self, name: str, types: Mapping[str, Any]) -> None:
        self.for_all.append(name)
        for segment in self.path:
            if segment.parameter not in self.given and segment.parameter not in self.added:
                annotation = types.get(segment.parameter, inspect.Parameter.empty)
                bare = inspect.Parameter(segment.parameter, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
                self.added[segment.parameter] = _filled(bare, segment, self.place)

    def _refuse_other_spelling(self, parameter: inspect.Parameter) -> None:
        """`product_id` below `[productId]` would be a query parameter, while nothing takes what the folder gives."""
        if parameter.default is not inspect.Parameter.empty or get_origin(parameter.annotation) is Annotated:
            return
        meant = same_name(parameter.name, [segment.parameter for segment in self.path])
        if meant is not None and meant not in self.given:
            raise RouteModuleError(
                f"{self.place}: the folder {self.folders[meant].folder} fills the parameter `{meant}`, and "
                f"`{parameter.name}` would be a query parameter; give them the same name."
            )


def signature_of(function: Callable[..., Any], place: Place) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except NameError as error:
        remedy = "import it at the top of the file, not under `if TYPE_CHECKING:`"
        raise RouteModuleError(f"{place}: an annotation can't be evaluated: {error}; {remedy}.") from error
    except Exception as error:
        raise RouteModuleError(f"{place}: the signature can't be read: {type(error).__name__}: {error}.") from error


def _filled(parameter: inspect.Parameter, segment: Segment, place: Place) -> inspect.Parameter:
    """A parameter that a segment of the path fills."""
    bare = parameter.annotation is inspect.Parameter.empty
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
