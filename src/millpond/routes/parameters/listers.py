"""Functions of a file that list paths, and what they are called with: parameters of folders, at most."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, NoReturn

from millpond.errors import Place, RouteModuleError
from millpond.messages import one_of
from millpond.routes.parameters.path_params import PathParams
from millpond.routes.parameters.ported_names import is_params
from millpond.routes.parameters.signature import signature_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from millpond.routes.folder import Segment

_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class NoParams(PathParams):
    """What `generate_static_params(params)` gets: no file above a route lists parameters (R2.6, R2.7)."""

    def __init__(self, missing: str) -> None:
        super().__init__()
        self._missing = missing

    def __missing__(self, key: object) -> NoReturn:
        raise RouteModuleError(f"{self._missing}; params has no {key!r}.")


def without_arguments(
    function: Callable[..., Any], name: str, segments: Sequence[Segment], place: Place
) -> Callable[..., Any]:
    """A function that lists the parameters of paths, to be called without arguments.

    Args:
        function: may take `params`, which is empty, as in JavaScript.
        name: what messages call it.
        segments: the parameters of the path.
        place: where messages say that it stands.

    Raises:
        RouteModuleError: it takes anything else.
    """
    taken = _required(function, place)
    others = [parameter for parameter in taken if not is_params(parameter)]
    keys = ", ".join(f'"{segment.name}": …' for segment in segments)
    remedy = f"no file above a route lists parameters, so return those of the whole path: [{{{keys}}}]"
    if others:
        raise RouteModuleError(f"{place}: {name} takes `{others[0]}`, and is called without arguments; {remedy}.")
    if not taken:
        return function
    return functools.partial(function, **{each: NoParams(f"{place}: {name}: {remedy}") for each in taken})


def check_folders_only(function: Callable[..., Any], name: str, segments: Sequence[Segment], place: Place) -> None:
    """Check that a function takes nothing but parameters of folders, each by its name, or `params` for all.

    Raises:
        RouteModuleError: it takes something else.
    """
    folders = [segment.parameter for segment in segments]
    for parameter in _required(function, place):
        if parameter not in folders and not is_params(parameter):
            known = f"it can take {one_of([*folders, 'params'])}" if folders else "no folder above it has a parameter"
            raise RouteModuleError(f"{place}: {name} takes `{parameter}`, which nothing fills; {known}.")


def folder_arguments(function: Callable[..., Any], folders: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a function that `check_folders_only` has passed, of the folders' parameters."""
    taken = inspect.signature(function).parameters
    named = {name: value for name, value in folders.items() if name in taken}
    return {**named, **{name: PathParams(folders) for name in taken if name not in folders and is_params(name)}}


def _required(function: Callable[..., Any], place: Place) -> Collection[str]:
    """The parameters without a default."""
    taken = signature_of(function, place).parameters.values()
    for parameter in taken:
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise RouteModuleError(f"{place}: the parameter {parameter} is positional-only; remove the slash.")
    return [
        parameter.name
        for parameter in taken
        if parameter.default is inspect.Parameter.empty and parameter.kind not in _ANY
    ]
