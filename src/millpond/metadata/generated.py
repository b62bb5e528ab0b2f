"""Generated metadata files: sitemap(), robots(), icon() … as the GET of a route (R7.2)."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from millpond.errors import MetadataError, RouteModuleError
from millpond.metadata.image_properties import size_of
from millpond.metadata.image_response import ImageResponse
from millpond.metadata.listing import Listing, awaits
from millpond.metadata.robots import robots_txt
from millpond.metadata.sitemap import sitemap_xml
from millpond.metadata.static_files import plain_answer
from millpond.metadata.web_manifest import manifest_json
from millpond.policy.compat import Compat
from millpond.routes.metadata_file import METADATA_ID, MetadataKind
from millpond.routes.module import METHODS, RouteModule, call_exported, load
from millpond.routes.parameters.listers import check_folders_only
from millpond.routes.parameters.path_params import of_folders
from millpond.routes.parameters.signature import signature_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from millpond.errors import Place
    from millpond.routes.metadata_file import MetadataFile
    from millpond.routes.scan import RouteFile

_TEXTS: dict[MetadataKind, tuple[Callable[[object], bytes], str]] = {
    MetadataKind.SITEMAP: (sitemap_xml, "application/xml"),
    MetadataKind.ROBOTS: (robots_txt, "text/plain"),
    MetadataKind.MANIFEST: (manifest_json, "application/manifest+json"),
}
_ID = "id"
_CAMEL_CASE = {
    "contentType": "content_type",
    "generateImageMetadata": "generate_image_metadata",
    "generateSitemaps": "generate_sitemaps",
    "generateStaticParams": "generate_static_params",
    "fetchCache": "fetch_cache",
    "dynamicParams": "dynamic_params",
    "maxDuration": "max_duration",
}


def load_generated(
    file: RouteFile, metadata: MetadataFile, project: Path, app_dir: Path, compat: Compat
) -> RouteModule:
    """A metadata file in Python as a route module with one GET.

    Raises:
        RouteModuleError: it can't be imported, or lacks the function of its name (R7.2).
    """
    module = load(file, project, app_dir)
    name, function = _function(module, metadata)
    place = module.place(name)
    listing = _listing(module, metadata)
    if listing is None and metadata.kind.listing is not None:
        _refuse_unlisted_id(function, module, metadata.kind.listing, place)
    return dataclasses.replace(
        module,
        functions={"GET": _Maker(function, metadata.kind, module, place, listing, compat).handler()},
        generate_static_params=module.generate_static_params if listing is None else listing.static_params(compat),
        lines={**module.lines, "GET": module.lines.get(name, 1)},
        warnings=_warnings(module, name),
    )


def _function(module: RouteModule, metadata: MetadataFile) -> tuple[str, Callable[..., Any]]:
    """The function of the file's name; icon1.py may call it icon1 or icon."""
    exports = vars(module.module)
    names = dict.fromkeys([metadata.kind.function + metadata.number, metadata.kind.function])
    for name in names:
        if callable(exports.get(name)) and not inspect.isclass(exports[name]):
            return name, exports[name]
    wanted = " or ".join(f"{name}()" for name in names)
    raise RouteModuleError(
        f"{module.file.file} answers {module.file.pattern}, and has no function {wanted}; define it, or rename the "
        'file if it isn\'t about metadata (or move it to a folder whose name begins with "_").'
    )


def _listing(module: RouteModule, metadata: MetadataFile) -> Listing | None:
    name = metadata.kind.listing
    if name is None or not module.file.lists_ids:
        return None
    function, place = getattr(module.module, name, None), module.place(name)
    if not callable(function) or inspect.isclass(function):
        raise RouteModuleError(f"{place}: {name} is a value of type {type(function).__name__}; make it a function.")
    if any(segment.parameter == _ID for segment in module.file.params):
        raise RouteModuleError(
            f"{place}: {name} fills the parameter id, and so does a folder of {module.file.file}; rename the folder."
        )
    check_folders_only(function, name, of_folders(module.file.params), place)
    return Listing(function, module, metadata.kind, place)


def _refuse_unlisted_id(function: Callable[..., Any], module: RouteModule, lister: str, place: Place) -> None:
    """Refuse `sitemap(id)` where nothing lists ids: it would be a query parameter, and every request be refused."""
    given = signature_of(function, place).parameters.get(_ID)
    if given is None or given.default is not inspect.Parameter.empty:
        return
    if not any(segment.parameter == _ID for segment in module.file.params):
        raise RouteModuleError(f'{place}: it takes id, and nothing lists ids; add {lister}(): return [{{"id": 0}}].')


def _warnings(module: RouteModule, function: str) -> tuple[str, ...]:
    exports = vars(module.module)
    camel = [
        f"{module.place(name)}: {name} does nothing; write {right}."
        for name, right in _CAMEL_CASE.items()
        if name in exports
    ]
    methods = [
        f"{module.place(name)}: {name} does nothing in a metadata file; its answer is what {function}() returns."
        for name in METHODS
        if name in exports
    ]
    return (*camel, *methods)


@dataclasses.dataclass(frozen=True, slots=True)
class _Maker:
    """Turns what the user's function returns into an answer."""

    function: Callable[..., Any]
    kind: MetadataKind
    module: RouteModule
    place: Place
    listing: Listing | None
    compat: Compat

    def handler(self) -> Callable[..., Any]:
        """The GET: with the parameters of the user's function, and those of the folders.

        It is a coroutine function where it has anything to await: others run in a thread as a whole.
        """

        async def get_awaiting(**values: Any) -> Response:
            return await self.answer_awaiting(values)

        def get(**values: Any) -> Response:
            return self.answer(values)

        functions = [self.function] if self.listing is None else [self.function, self.listing.function]
        handler: Callable[..., Any] = get_awaiting if any(map(awaits, functions)) else get
        handler.__doc__ = self.function.__doc__
        handler.__signature__ = self.signature()  # type: ignore[attr-defined]
        return handler

    def signature(self) -> inspect.Signature:
        given = signature_of(self.function, self.place)
        if self.listing is None:
            return given.replace(return_annotation=inspect.Signature.empty)
        kept = [parameter for name, parameter in given.parameters.items() if name != _ID]
        folders = [
            segment.parameter for segment in self.module.file.params if segment.parameter not in given.parameters
        ]
        added = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in folders]
        named = [*(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in kept), *added]
        return inspect.Signature(named)

    def answer(self, values: dict[str, Any]) -> Response:
        """The answer for one set of parameters; an id that isn't listed is 404 (R7.6)."""
        if self.listing is not None:
            returned = self.listing.function(**self.listing.wanted(self._folders(values)))
            item = self.listing.checked(returned).get(values[METADATA_ID])
            if item is None:
                return _unlisted()
            values = self._with_id(values, item)
        return self._answer_with(self.function(**values))

    async def answer_awaiting(self, values: dict[str, Any]) -> Response:
        """As `answer`, where one of the user's functions is a coroutine function."""
        if self.listing is not None:
            item = (await self.listing.items(self._folders(values))).get(values[METADATA_ID])
            if item is None:
                return _unlisted()
            values = self._with_id(values, item)
        if inspect.isasyncgenfunction(self.function):
            return await run_in_threadpool(self._answer_with, [item async for item in self.function(**values)])
        return await run_in_threadpool(self._answer_with, await call_exported(self.function, **values))

    def _folders(self, values: dict[str, Any]) -> dict[str, str | list[str]]:
        """The parameters of the folders, as text, whatever the image function's annotations made of them."""
        names = [segment.parameter for segment in self.module.file.params if segment.parameter != METADATA_ID]
        return {
            name: list(map(str, values[name])) if isinstance(values[name], list | tuple) else str(values[name])
            for name in names
        }

    def _with_id(self, values: dict[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
        declared = inspect.signature(self.function).parameters
        values = {name: value for name, value in values.items() if name in declared}
        return {**values, _ID: self._id(item["id"])} if _ID in declared else values

    def _id(self, value: str | int) -> Any:
        """The id as the function takes it: as annotated; else in 16 a sitemap's is text, as its URL is (R7.7)."""
        annotation = signature_of(self.function, self.place).parameters[_ID].annotation
        if annotation is not inspect.Parameter.empty:
            try:
                return _adapter(annotation).validate_python(str(value))
            except ValidationError:
                raise MetadataError(
                    f"{self.place}: the id {value!r} isn't what the annotation of id says; change one of them."
                ) from None
        return str(value) if self.kind is MetadataKind.SITEMAP and self.compat is Compat.V16 else value

    def _answer_with(self, returned: Any) -> Response:
        if isinstance(returned, Response):
            return returned
        if self.kind in _TEXTS:
            write, media_type = _TEXTS[self.kind]
            try:
                return plain_answer(write(returned), media_type)
            except MetadataError as error:
                raise MetadataError(f"{self.place}: {error}") from None
        if returned is None:
            raise MetadataError(f"{self.place}: {self.kind.function}() returned None; return an ImageResponse.")
        size = size_of(self.module)
        return (
            ImageResponse(returned) if size is None else ImageResponse(returned, width=size.width, height=size.height)
        )


def _unlisted() -> Response:
    return PlainTextResponse("Not Found", 404)


@functools.cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)
