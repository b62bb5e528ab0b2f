"""The ids of a metadata file that makes several answers: generate_sitemaps, generate_image_metadata (R7.5, R7.6)."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millpond.errors import MetadataError
from millpond.policy.compat import Compat
from millpond.routes.metadata_file import METADATA_ID, MetadataKind
from millpond.routes.module import call_exported
from millpond.routes.parameters.listers import folder_arguments
from millpond.routes.parameters.path_params import of_folders
from millpond.routes.static_params import validate_static_params

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.errors import Place
    from millpond.routes.module import RouteModule
    from millpond.routes.static_params import Params

_SITEMAP_END = ".xml"


def awaits(function: Callable[..., Any]) -> bool:
    """Whether calling `function` returns an awaitable or an async iterator."""
    inner = inspect.unwrap(function)
    inner = inner.func if isinstance(inner, functools.partial) else inner
    kinds = (inner, getattr(inner, "__call__", None))  # noqa: B004 - the method of an object that is callable
    return any(inspect.iscoroutinefunction(kind) or inspect.isasyncgenfunction(kind) for kind in kinds)


@dataclass(frozen=True, slots=True)
class Listing:
    """The function of one file that lists its ids."""

    function: Callable[..., Any]
    module: RouteModule
    kind: MetadataKind
    place: Place

    @property
    def name(self) -> str:
        return self.kind.listing or ""

    async def items(self, params: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """The items by the last segment of their URLs, for the folders' parameters.

        Raises:
            MetadataError: it returned something else than a list of dicts with an id each.
            Exception: whatever it raised.
        """
        return self.checked(await call_exported(self.function, **self.wanted(params)))

    def wanted(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the parameters that the function takes; `params` are all of them."""
        return folder_arguments(self.function, {name: value for name, value in params.items() if name != METADATA_ID})

    def checked(self, returned: object) -> dict[str, Mapping[str, Any]]:
        """What it returned, by the last segment of the URLs."""
        if isinstance(returned, str | bytes | Mapping) or not isinstance(returned, Iterable):
            kind = type(returned).__name__
            raise MetadataError(
                f'{self.place}: {self.name} returned a value of type {kind}; return a list: [{{"id": 0}}].'
            )
        found: dict[str, Mapping[str, Any]] = {}
        for index, item in enumerate(returned):
            segment = self._segment(item, index)
            if segment in found:
                raise MetadataError(f"{self.place}: item {index} of {self.name} has the id of another one; ids differ.")
            found[segment] = item
        return found

    def _segment(self, item: object, index: int) -> str:
        """The last segment of an item's URL."""
        value = item.get("id") if isinstance(item, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            where = f"{self.place}: item {index} of {self.name}"
            raise MetadataError(f'{where} has no id; give it one, a number or text: {{"id": {index}}}.')
        return f"{value}{_SITEMAP_END}" if self.kind is MetadataKind.SITEMAP else str(value)

    def static_params(self, compat: Compat) -> Callable[..., Any] | None:
        """The file's `generate_static_params` with the ids added; None where folders' parameters aren't listed.

        Ids are rendered at build in every version (D29). If the folders' parameters aren't listed, images are rendered
        on demand in 16, as if the list were empty (R7.6).
        """
        outer = self.module.generate_static_params
        folders = tuple(of_folders(self.module.file.params))
        if folders and outer is None:
            return self._no_ids() if self.kind is not MetadataKind.SITEMAP and compat is Compat.V16 else None
        above = dataclasses.replace(
            self.module, file=dataclasses.replace(self.module.file, segments=folders)
        )  # what the user's function returns knows nothing of ids

        async def ids() -> list[Params]:
            combinations: list[Params] = [{}]
            if outer is not None and folders:
                combinations = validate_static_params(await call_exported(outer), above)
            return [{**params, METADATA_ID: segment} for params in combinations for segment in await self.items(params)]

        ids.__name__ = self.name
        return ids

    def _no_ids(self) -> Callable[..., Any]:
        def ids() -> list[Params]:
            return []

        ids.__name__ = self.name
        return ids
