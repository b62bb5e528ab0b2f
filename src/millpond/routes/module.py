"""A route file, loaded and checked."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from millpond.errors import Place, RouteModuleError
from millpond.policy.segment import (
    FORBIDDEN_WITH_CACHE_COMPONENTS,
    SegmentConfig,
    invalid_options,
    parse_segment_config,
)
from millpond.routes.exports import METHODS, STATIC_PARAMS, lines_of, methods_in, warnings_of
from millpond.routes.imports import import_route, parse_source, read_source
from millpond.routes.known_imports import with_known_imports
from millpond.routes.options.folders import NO_FOLDERS, Folders
from millpond.routes.options.stray_options import stray_options
from millpond.routes.parameters.listers import without_arguments
from millpond.routes.parameters.path_params import of_folders
from millpond.routes.results.returned import is_async

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from types import ModuleType

    from millpond.routes.known_imports import KnownImports
    from millpond.routes.options.router_file import RouterModule
    from millpond.routes.scan import RouteFile

    Load = Callable[[RouteFile, Path, Path], "RouteModule"]
    """What makes a module of a file, for a project and its folder of routes."""

CACHED_MARK = "__millpond_cached__"
"""What @cached leaves on a function: a handler may not have it (R5.29)."""

__all__ = ["CACHED_MARK", "METHODS", "RouteModule", "call_exported", "load", "read", "refuse_replaced_config"]


@dataclass(frozen=True, slots=True)
class RouteModule:
    """What a route file exports."""

    file: RouteFile
    module: ModuleType
    functions: Mapping[str, Callable[..., Any]]
    """By method, in the order of METHODS."""
    config: SegmentConfig
    generate_static_params: Callable[..., Any] | None
    lines: Mapping[str, int]
    """Where the methods, the options and generate_static_params are defined."""
    warnings: tuple[str, ...]
    """Sentences with their places: what looks like a mistake (R1.20, R1.21)."""
    digest: str
    """SHA-256 of the source, in hex; and of each `router.py` above it."""
    folders: Folders = NO_FOLDERS
    """What the folders above say for its operations."""
    inherited: Mapping[str, Place] = field(default_factory=dict)
    """Where the parts of `config` are defined that a `router.py` gives."""

    def place(self, name: str) -> Place:
        """Where `name` is defined; only the file, when its source doesn't show the line."""
        return self.inherited.get(name) or Place(self.file.file, self.lines.get(name))


def load(
    file: RouteFile,
    project: Path,
    app_dir: Path,
    source: bytes | None = None,
    known_imports: KnownImports | None = None,
) -> RouteModule:
    """Import a route file and check what it exports; of a metadata file, the options only.

    Args:
        file: the file.
        project: the project's folder.
        app_dir: the folder of the routes.
        source: what stood in the file when it was read; None: it is read now.
        known_imports: the values of names that it needn't import.

    Raises:
        RouteModuleError: it can't be read, parsed or imported, a constant has a value outside its schema (R2.1,
            in every version: D16), or an export that must be a function isn't one.
    """
    project, app_dir = project.absolute(), app_dir.absolute()
    source = read(file) if source is None else source
    tree = parse_source(source, file.path, file.file, project)
    prepared = None if known_imports is None else with_known_imports(tree, known_imports)
    module = import_route(file.path, source, app_dir, project, prepared)
    exports = vars(module)
    methods = methods_in(exports) if file.metadata is None else ()
    if b"operation" in source:
        stray_options(exports, methods, file)
    lines = lines_of(tree) if methods else lines_of(tree, set(exports))
    return RouteModule(
        file=file,
        module=module,
        functions={name: _function(exports[name], name, file, lines) for name in methods if name in exports},
        config=_config(exports, file, lines),
        generate_static_params=_static_params(exports, file, lines),
        lines=lines,
        warnings=warnings_of(tree, module, file.file) if methods else (),
        digest=hashlib.sha256(source).hexdigest(),
    )


def below(module: RouteModule, folders: Folders) -> RouteModule:
    """A route file with what the folders above it say. What the file itself defines holds.

    A static metadata file has no segment config to begin with.

    Raises:
        RouteModuleError: the file has `hosts` of another meaning, and a folder or the configuration says `cache_host`.
    """
    if not folders.routers and not folders.given:
        return module
    inherited: dict[str, Place] = {}
    config = module.config
    if not module.file.is_answer:
        exports = vars(module.module)
        config, inherited = folders.config(config, exports)
        if config.cache_host and "hosts" in exports:
            _config({**exports, "cache_host": True}, module.file, module.lines)
    digest = folders.digest(module.digest)
    return dataclasses.replace(module, config=config, folders=folders, inherited=inherited, digest=digest)


def read(file: RouteFile) -> bytes:
    """The bytes of the file.

    Raises:
        RouteModuleError: it can't be read.
    """
    return read_source(file.path, file.file)


def _function(value: object, name: str, file: RouteFile, lines: Mapping[str, int]) -> Callable[..., Any]:
    if getattr(value, CACHED_MARK, False):
        raise RouteModuleError(
            f"{Place(file.file, lines.get(name))}: {name} itself can't be @cached, because answers aren't data; "
            "put what is to be cached into a function that it calls."
        )
    if callable(value) and not inspect.isclass(value):
        return value
    what = "a class" if inspect.isclass(value) else f"a value of type {type(value).__name__}"
    raise RouteModuleError(f"{Place(file.file, lines.get(name))}: {name} is {what}; make it a function.")


def _static_params(exports: Mapping[str, Any], file: RouteFile, lines: Mapping[str, int]) -> Callable[..., Any] | None:
    if STATIC_PARAMS not in exports:
        return None
    function = _function(exports[STATIC_PARAMS], STATIC_PARAMS, file, lines)
    return without_arguments(
        function, STATIC_PARAMS, of_folders(file.params), Place(file.file, lines.get(STATIC_PARAMS))
    )


def _config(exports: Mapping[str, Any], file: RouteFile, lines: Mapping[str, int]) -> SegmentConfig:
    """The options; what is wrong with any of them is one message."""
    problems = [f"{Place(file.file, lines.get(error.name))}: {error}." for error in invalid_options(exports)]
    if problems:
        raise RouteModuleError("\n".join(problems))
    return parse_segment_config(exports)


def refuse_replaced_config(modules: Iterable[RouteModule | RouterModule]) -> None:
    """With Cache Components some constants have no place any more (R2.5).

    Raises:
        RouteModuleError: a file has one; the message names all of them.
    """
    problems = [
        f"{module.place(name)}: {name} can't be used with cache_components = true; {remedy}."
        for module in modules
        for name, remedy in FORBIDDEN_WITH_CACHE_COMPONENTS.items()
        if name in vars(module.module)
    ]
    if problems:
        raise RouteModuleError("\n".join(problems))


async def call_exported(function: Callable[..., Any], **values: Any) -> Any:
    """What a function of the file's returns: a coroutine function is awaited, any other one runs in a thread."""
    if is_async(function):
        return await function(**values)
    returned = await run_in_threadpool(function, **values)
    return await returned if inspect.isawaitable(returned) else returned
