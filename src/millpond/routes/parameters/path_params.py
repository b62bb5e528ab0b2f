"""`params`: one parameter of a handler for all parameters of the path, as JavaScript handlers have it."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, NoReturn, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from typing_extensions import is_typeddict

from millpond.errors import RouteModuleError
from millpond.routes.folder import SegmentKind
from millpond.routes.metadata_file import METADATA_ID
from millpond.routes.parameters.ported_names import is_bare, is_params

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable

    from millpond.errors import Place
    from millpond.routes.folder import Segment

_BODILESS = ("GET", "HEAD")
"""Methods whose handlers get no body (R1.29), so that FastAPI's reading of a dict can't be meant."""


class PathParams(dict[str, Any]):
    """The path's parameters by name: text, and a list of texts for a catch-all. Awaiting it has no effect (R13.24)."""

    def __await__(self) -> Generator[None, None, PathParams]:
        return self
        yield


def of_folders(segments: Iterable[Segment]) -> list[Segment]:
    """The segments that a folder's name stands for: the id of a listed image or sitemap isn't one."""
    return [segment for segment in segments if segment.parameter != METADATA_ID]


def path_types(
    parameter: inspect.Parameter, segments: Collection[Segment], declared: Collection[str], method: str, place: Place
) -> dict[str, Any] | None:
    """The types of the path's parameters where `parameter` stands for all of them; None where it means something else.

    Without an annotation it does. With one it is FastAPI's, which would take a dict from the body, unless there is
    none, or the keys of a TypedDict are the path's.

    Args:
        parameter: one that no folder of the path fills.
        segments: the dynamic segments of the path.
        declared: the names of all parameters of the handler.
        method: what the handler answers.
        place: where messages say that it stands.

    Raises:
        RouteModuleError: it is annotated, and neither reading can be meant.
    """
    if not is_params(parameter.name):
        return None
    if is_bare(parameter):
        return {}
    kind, default = _without_none(parameter.annotation), parameter.default
    if default is not inspect.Parameter.empty and default is not None:
        return None
    names = [segment.parameter for segment in segments]
    if is_typeddict(kind):
        return _of_typed_dict(parameter, kind, segments, method, place)
    if _is_mapping(kind):
        if method in _BODILESS:
            values = get_args(kind)[1:]
            return {segment.parameter: values[0] for segment in segments if values and _fits(values[0], segment)}
        if names and not set(names) & set(declared):
            _refuse(parameter, f"FastAPI takes it from the body of a {method}", place)
    elif method in _BODILESS and _is_record(kind):
        _refuse(parameter, f"FastAPI would take it from the body, and {method} has none", place)
    return None


def _of_typed_dict(
    parameter: inspect.Parameter, kind: Any, segments: Collection[Segment], method: str, place: Place
) -> dict[str, Any] | None:
    try:
        hints = get_type_hints(kind)
    except NameError as error:
        raise RouteModuleError(
            f"{place}: the annotation of {parameter.name} can't be evaluated: {error}; import it at the top of its "
            "file, not under `if TYPE_CHECKING:`."
        ) from error
    by_key = {key: segment.parameter for segment in segments for key in (segment.name, segment.parameter)}
    unknown = [key for key in hints if key not in by_key]
    if not unknown:
        return {by_key[key]: hint for key, hint in hints.items()}
    if method in _BODILESS:
        _refuse(parameter, f'it has the key "{unknown[0]}", which the path hasn\'t', place)
    return None


def _without_none(annotation: Any) -> Any:
    """The one type that `dict | None` names."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    others = [each for each in get_args(annotation) if each is not NoneType]
    return others[0] if len(others) == 1 else annotation


def _is_mapping(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _fits(annotation: Any, segment: Segment) -> bool:
    """Whether one type for all values of a dict says anything about a segment: lists are a catch-all's alone."""
    return annotation is not Any and _holds_list(annotation) is (segment.kind is not SegmentKind.PARAM)


def _holds_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(map(_holds_list, get_args(annotation)))


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and (issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind))


def _refuse(parameter: inspect.Parameter, why: str, place: Place) -> NoReturn:
    name = parameter.name
    raise RouteModuleError(
        f"{place}: the parameter `{parameter}`: {why}. For the path's parameters write `{name}` without an annotation; "
        f"for a body, `{name}: Annotated[…, Body()]`."
    )
