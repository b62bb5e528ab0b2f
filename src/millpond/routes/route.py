"""One route: its file, what it exports, and its operations."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

from millpond.errors import RouteModuleError
from millpond.policy.key import folders_of
from millpond.policy.segment import SegmentConfig
from millpond.routes.broken_route import broken_module
from millpond.routes.exports import STATIC_PARAMS
from millpond.routes.module import below, load
from millpond.routes.operation import allow, make_operation
from millpond.routes.options.folder_tree import FolderTree
from millpond.routes.options.guards import guarded_digest
from millpond.routes.route_contract import ListedPath, Route, Wish
from millpond.routes.static_params import list_params
from millpond.routes.table import build_segments

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from millpond.errors import Place
    from millpond.policy.compat import Compat
    from millpond.routes.broken_route import Explain, Explained
    from millpond.routes.folder import Segment
    from millpond.routes.module import Load, RouteModule
    from millpond.routes.operation import FileOperation
    from millpond.routes.route_contract import Handler
    from millpond.routes.scan import RouteFile


@dataclass(frozen=True)
class FileRoute(Route):
    """The route of a file."""

    file: RouteFile
    module: RouteModule
    by_method: Mapping[str, FileOperation]
    """Only what the file defines (HEAD and OPTIONS may be answered without)."""

    @property
    def operations(self) -> Mapping[str, FileOperation]:
        return self.by_method

    @property
    def origin(self) -> str:
        return self.file.file

    @property
    def source(self) -> str:
        return self.file.file

    @property
    def pattern(self) -> str:
        return self.file.pattern

    @property
    def own_patterns(self) -> tuple[str, ...]:
        return (self.file.pattern,)

    @property
    def folders(self) -> str:
        return folders_of(self.file.file)

    @property
    def config(self) -> SegmentConfig:
        return self.module.config

    @property
    def segments(self) -> tuple[Segment, ...]:
        return self.file.segments

    @property
    def everywhere(self) -> tuple[Segment, ...] | None:
        return self.file.everywhere

    @property
    def params(self) -> tuple[str, ...]:
        return tuple(segment.parameter for segment in self.file.params)

    @property
    def digest(self) -> str:
        cached = self.operations.get("GET") or self.operations.get("QUERY")
        return self.module.digest if cached is None else guarded_digest(self.module.digest, cached.guards)

    @cached_property
    def accepted_queries(self) -> tuple[str, ...]:
        return self.operations["QUERY"].accepted if "QUERY" in self.methods else ()

    @property
    def allow(self) -> str:
        return allow(self.operations)

    def method_for(self, method: str) -> str:
        """HEAD falls to GET where the file has no HEAD of its own (R1.22)."""
        return "GET" if method == "HEAD" and "HEAD" not in self.operations else method

    @property
    def inherited(self) -> Collection[str]:
        return self.module.inherited

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.module.warnings

    @property
    def lister(self) -> str | None:
        function = self.module.generate_static_params
        return None if function is None else getattr(function, "__name__", STATIC_PARAMS)

    async def listed(self) -> list[ListedPath]:
        combinations = await list_params(self.module) if self.file.params else [{}]
        return [ListedPath(build_segments(self.file.segments, params), params) for params in combinations]

    def place(self, name: str) -> Place:
        return self.module.place(name)

    def wish(self, compat: Compat, *, cache_components: bool) -> Wish:
        return _wanted_by_all(self.module) if cache_components else _wanted(self.module, compat)


def load_route(
    file: RouteFile,
    project: Path,
    app_dir: Path,
    around: Callable[[Handler], Handler],
    load_one: Load = load,
    folders: FolderTree | None = None,
) -> FileRoute:
    """Load `file` and make its operations; `around` wraps the handling of each request, `folders` are those above.

    Raises:
        RouteModuleError: the file, or a `router.py` above it, can't be imported, or says something that can't work.
    """
    above, router = (folders or FolderTree(project, app_dir)).above(file)
    module = below(load_one(file, project, app_dir), above)
    if file.is_answer and router.dependencies:  # they are to see the visitor's request, or end the render
        module = dataclasses.replace(module, config=SegmentConfig())
    operations = {method: make_operation(module, method, around, router) for method in module.functions}
    return FileRoute(file, module, operations)


def load_routes(
    files: Iterable[RouteFile],
    project: Path,
    app_dir: Path,
    around: Callable[[Handler], Handler],
    load_one: Load = load,
    folders: FolderTree | None = None,
    explain: Explain | None = None,
) -> list[FileRoute]:
    """All routes, in the order of `files`, with operation ids that no two operations share.

    Args:
        files: the route files.
        project: the project's folder.
        app_dir: the folder of the routes.
        around: wraps the handling of each request.
        load_one: makes a module of each file: one that knows metadata files, too, in an application.
        folders: the folders above, with the router of the application, whose options the operations get.
        explain: makes the answer of a route whose file can't work, so that the others can be served.

    Raises:
        RouteModuleError: as `load_route` does, for all files that can't work; or two operations say that they have one
            id.
    """
    folders = folders or FolderTree(project, app_dir)
    routes: list[FileRoute] = []
    failures: list[RouteModuleError] = []
    for file in files:
        try:
            routes.append(load_route(file, project, app_dir, around, load_one, folders))
        except RouteModuleError as error:
            failures.append(error)
            if explain is not None:
                routes.append(broken_route(file, explain(error), around))
    if failures and explain is None:
        _refuse(failures)
    tell_apart(routes)
    return routes


def broken_route(file: RouteFile, explained: Explained, around: Callable[[Handler], Handler]) -> FileRoute:
    """The route of a file that can't work, answered by `explained`."""
    module = broken_module(file, explained)
    return FileRoute(file, module, {method: make_operation(module, method, around) for method in module.functions})


def _refuse(failures: Sequence[RouteModuleError]) -> NoReturn:
    """Raise all at once; what several files import and is wrong is told once."""
    if len(failures) == 1:
        raise failures[0]
    raise RouteModuleError("\n".join(dict.fromkeys(map(str, failures)))) from failures[0].__cause__


def tell_apart(routes: Iterable[FileRoute]) -> None:
    """Give operations of the same name ("/a.b" and "/a_b") ids of their own; those of @operation stay as they are.

    The suffix comes from the pattern, so an id doesn't change when another route comes or goes.

    Raises:
        RouteModuleError: two operations say that they have one id.
    """
    operations = [(route, operation) for route in routes for operation in route.operations.values()]
    said: dict[str, FileOperation] = {}
    for _, operation in operations:
        own = operation.own_id
        if own is not None and said.setdefault(own, operation) is not operation:
            raise RouteModuleError(
                f'{operation.place}: the operation_id "{own}" is that of {said[own].place}, too; '
                "API clients need one for each operation: change one of them."
            )
    uses = Counter(operation.api_route.operation_id for _, operation in operations)
    uses[None] = 0  # the application names them
    for route, operation in operations:
        name = operation.api_route.operation_id
        if uses[name] > 1 and operation.own_id is None:
            suffix = hashlib.sha256(route.pattern.encode()).hexdigest()[:6]
            operation.api_route.operation_id = operation.api_route.unique_id = f"{name}_{suffix}"


def _wanted_by_all(module: RouteModule) -> Wish:
    """With Cache Components no opt-in is needed, but parameters must be listed (R3.3, R9.11)."""
    listed = module.generate_static_params is not None and not _lists_ids_alone(module)
    if module.file.params and not listed:
        return Wish(False, "has parameters, and no generate_static_params")
    return Wish(True, "ends without waiting, and without request data")


def _lists_ids_alone(module: RouteModule) -> bool:
    """Whether it is a metadata file below parameters that lists ids, and nothing lists the values of these."""
    return module.file.lists_ids and len(module.file.params) > 1 and STATIC_PARAMS not in vars(module.module)


def _wanted(module: RouteModule, compat: Compat) -> Wish:
    config = module.config
    if module.file.is_answer:
        return Wish(True, "a file, served as it is")
    listed = module.generate_static_params is not None
    if module.file.params and not listed:
        return _wanted_on_demand(module)
    if config.forces_static or config.forbids_dynamic:
        return Wish(True, f'dynamic = "{config.dynamic}"', module.place("dynamic"))
    if config.opts_in:
        return Wish(True, f"revalidate = {config.revalidate}", module.place("revalidate"))
    if module.file.static_by_default:
        return Wish(True, "metadata files are static by default")
    if listed:
        return Wish(True, "generate_static_params", module.place(STATIC_PARAMS))
    if compat.get_is_static_by_default:
        return Wish(True, f"GET is static by default (compat {compat})")
    return Wish(False, f"GET is live by default (compat {compat})")


def _wanted_on_demand(module: RouteModule) -> Wish:
    """A parameterised route without `generate_static_params` (R3.4; a time-based one opts in, D17)."""
    config = module.config
    if config.forces_static or config.forbids_dynamic:
        return Wish(True, f'dynamic = "{config.dynamic}"', module.place("dynamic"))
    if config.revalidate:
        return Wish(True, f"revalidate = {config.revalidate}", module.place("revalidate"))
    return Wish(False, "has parameters, and no generate_static_params")
