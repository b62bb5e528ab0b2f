"""The paths that `params` of `@static` lists: values as the convertors of the path take them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from millpond.errors import RouteModuleError
from millpond.messages import one_of
from millpond.routes.endpoints.matched_path import segments_of
from millpond.routes.module import call_exported
from millpond.routes.path import DOT_SEGMENTS
from millpond.routes.route_contract import ListedPath

if TYPE_CHECKING:
    from millpond.errors import Place
    from millpond.internals.fastapi_inclusion import EffectiveRoute
    from millpond.routes.endpoints.static import StaticMark

_NAMED = re.compile(r"{([^{}]*)}")


async def listed_paths(mark: StaticMark, route: EffectiveRoute, place: Place) -> list[ListedPath]:
    """The paths of a route to render at build, each once: the only one of a route without parameters.

    Args:
        mark: what `@static` says.
        route: the route, with all prefixes.
        place: where `@static` stands, for messages.

    Raises:
        RouteModuleError: `params` isn't a list of dicts that fit the path.
        Exception: what the function raised.
    """
    if not route.convertors:
        return [ListedPath(segments_of(route.path_format), {})]
    if mark.params is None:
        return []
    given = await call_exported(mark.params) if callable(mark.params) else mark.params
    if not isinstance(given, list | tuple):
        raise RouteModuleError(f"{place}: params returned {_kind(given)}; return a list of dicts, one for each path.")
    found: dict[str, ListedPath] = {}
    for index, item in enumerate(given):
        path = _ListedItem(index, place, route).path(item)
        found.setdefault(path.path, path)
    return list(found.values())


class _ListedItem:
    """One item of the list, and what messages call it."""

    def __init__(self, index: int, place: Place, route: EffectiveRoute) -> None:
        self._index, self._place, self._route = index, place, route

    def path(self, item: object) -> ListedPath:
        names = list(self._route.convertors)
        if not isinstance(item, Mapping):
            self._refuse(f"is {_kind(item)}; it must be a dict with {one_of(names)}")
        for name in item:
            if name not in names:
                self._refuse(
                    f"has the key {name!r}, which is no parameter of {self._route.path}; it has {one_of(names)}"
                )
        texts = {name: self._text(item, name) for name in names}
        path = _NAMED.sub(lambda match: texts[match[1]], self._route.path_format)
        params = self._route.params_of(path)
        if params is None:
            self._refuse(f"makes the path {path}, which {self._route.path} doesn't match")
        segments = segments_of(path)
        if not DOT_SEGMENTS.isdisjoint(segments):
            self._refuse(f'makes the path {path}: clients take "." and ".." out of a URL; leave it out')
        return ListedPath(segments, params)

    def _text(self, item: Mapping[str, Any], name: str) -> str:
        if name not in item:
            self._refuse(f'has no "{name}"; give it a value, as {self._route.path} needs one')
        value, convertor = item[name], self._route.convertors[name]
        try:
            if value is None or isinstance(value, bool | list | tuple | dict):
                raise TypeError(f"{_kind(value)} is no part of a path")
            text = convertor.to_string(value)
            text.encode()
        except (AssertionError, TypeError, ValueError) as error:
            self._refuse(f'has {value!r} for "{name}" of {self._route.path}: {str(error) or type(error).__name__}')
        if "\0" in text:
            self._refuse(f'has {value!a} for "{name}", which no URL can hold; leave it out')
        return text

    def _refuse(self, reason: str) -> NoReturn:
        raise RouteModuleError(f"{self._place}: item {self._index} of params {reason}.")


def _kind(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
