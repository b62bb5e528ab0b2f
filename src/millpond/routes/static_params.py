"""The parameters that generate_static_params lists, checked (R2.7 to R2.12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

from millpond.errors import Place, RouteModuleError
from millpond.messages import one_of
from millpond.routes.exports import STATIC_PARAMS
from millpond.routes.folder import Segment, SegmentKind
from millpond.routes.module import call_exported
from millpond.routes.path import DOT_SEGMENTS

if TYPE_CHECKING:
    from millpond.routes.module import RouteModule

Params = dict[str, str | list[str]]
"""The parameters of one path, by `Segment.parameter`."""


async def list_params(module: RouteModule) -> list[Params]:
    """What the file's `generate_static_params` returns, checked; [] without one (R2.7 to R2.12).

    Raises:
        RouteModuleError: it returned something else than a list of parameters.
        Exception: whatever it raised.
    """
    function = module.generate_static_params
    if function is None or not module.file.params:
        return []
    return validate_static_params(await call_exported(function), module)


def validate_static_params(returned: object, module: RouteModule) -> list[Params]:
    """The parameters of the paths to prerender, each combination once (R2.9), in the order in which they came.

    Keys may be the folder's names or the handler's parameters: "product-id" or "product_id". An empty list is
    fine: every path is rendered on demand (R2.12).

    Raises:
        RouteModuleError: it isn't a list of dicts, or an item has a wrong key or value, or lacks one (R2.8, R2.11;
            strict in every version: D16).
    """
    place = module.place(STATIC_PARAMS)
    if not isinstance(returned, list | tuple):
        raise RouteModuleError(
            f"{place}: {STATIC_PARAMS} returned {_kind(returned)}; return a list of dicts, one for each path."
        )
    found: dict[tuple[str | tuple[str, ...], ...], Params] = {}
    for index, item in enumerate(returned):
        params = _Item(index, place, module.file.params).read(item)
        found.setdefault(_identity(params), params)
    return list(found.values())


def _identity(params: Params) -> tuple[str | tuple[str, ...], ...]:
    """Equal for equal parameters of one route: they stand in its order."""
    return tuple(value if isinstance(value, str) else tuple(value) for value in params.values())


class _Item:
    """One item of the list, and what messages call it."""

    def __init__(self, index: int, place: Place, segments: tuple[Segment, ...]) -> None:
        self.index, self.place, self.segments = index, place, segments

    def read(self, item: object) -> Params:
        if not isinstance(item, Mapping):
            self._refuse(f"is {_kind(item)}; it must be a dict with {self._expected()}")
        names = {name for segment in self.segments for name in (segment.name, segment.parameter)}
        for key in item:
            if key not in names:
                self._refuse(f"has the key {key!r}, which is no parameter of this route; it takes {self._expected()}")
        return {segment.parameter: self._value(item, segment) for segment in self.segments}

    def _value(self, item: Mapping[object, object], segment: Segment) -> str | list[str]:
        given = [item[name] for name in dict.fromkeys((segment.name, segment.parameter)) if name in item]
        if len(given) > 1:
            self._refuse(f'has both "{segment.name}" and "{segment.parameter}"; leave one of them out')
        if segment.kind is SegmentKind.OPTIONAL_CATCH_ALL:
            if not given or given[0] is None or given[0] is False:
                return []
        elif not given:
            self._refuse(f'has no "{segment.name}"; give it a value, as {segment.folder} is part of the path')
        return self._text(given[0], segment) if segment.kind is SegmentKind.PARAM else self._list(given[0], segment)

    def _list(self, value: object, segment: Segment) -> list[str]:
        if not isinstance(value, list | tuple):
            self._refuse(f'has {_kind(value)} for "{segment.name}"; {segment.folder} takes a list of strings')
        if not value and segment.kind is SegmentKind.CATCH_ALL:
            self._refuse(f'has an empty list for "{segment.name}"; {segment.folder} needs at least one segment')
        return [self._text(part, segment) for part in value]

    def _text(self, value: object, segment: Segment) -> str:
        if not isinstance(value, str):
            self._refuse(f'has {_kind(value)} for "{segment.name}"; URLs are text: write str({value!r})')
        if not value:
            self._refuse(f'has an empty string for "{segment.name}"; a segment of a URL is never empty')
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            self._refuse(f'has {value!a} for "{segment.name}", which no URL can hold; leave it out')
        if value in DOT_SEGMENTS:
            self._refuse(f'has "{value}" for "{segment.name}", which clients take out of a URL; leave it out')
        return str.__str__(value)

    def _expected(self) -> str:
        return one_of(segment.name for segment in self.segments) if self.segments else "no keys"

    def _refuse(self, reason: str) -> NoReturn:
        raise RouteModuleError(f"{self.place}: item {self.index} of {STATIC_PARAMS} {reason}.")


def _kind(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
