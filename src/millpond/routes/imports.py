"""A route file as a Python module: its name, its packages, and what can go wrong while it is imported."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.abc
import importlib.util
import os
import re
import sys
import traceback
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from millpond.config.project.project_folders import below
from millpond.errors import Place, RouteModuleError, UsageError
from millpond.routes.known_imports import VALUES

if TYPE_CHECKING:
    from types import CodeType, ModuleType

    from millpond.routes.known_imports import PreparedFile


_DRAWING = ("pictex", "PIL")
"""Packages of the extra "og"."""
_NO_NAME = re.compile(r"\W")
_ENVIRON_LOOK_UP = type(os.environ).__getitem__.__code__

_packages: dict[tuple[Path, Path], str] = {}
"""(folder, folder of the routes) -> the package that was found to be the folder's."""


class _Source(importlib.abc.SourceLoader):
    """Executes the very bytes that were read and digested; a cached .pyc could be of an edit within the same second."""

    def __init__(self, path: Path, source: bytes, prepared: PreparedFile | None = None) -> None:
        self.path, self.source, self._prepared = str(path), source, prepared

    def get_filename(self, fullname: str) -> str:
        return self.path

    def get_data(self, path: str) -> bytes:
        return self.source

    def get_code(self, fullname: str) -> CodeType:
        prepared, self._prepared = self._prepared, None
        code: CodeType = self.source_to_code(self.source if prepared is None else prepared.tree, self.path)
        return code

    def exec_module(self, module: ModuleType) -> None:
        if self._prepared is not None:
            vars(module)[VALUES] = self._prepared.values
        super().exec_module(module)
        vars(module).pop(VALUES, None)


def import_route(
    path: Path, source: bytes, app_dir: Path, project: Path, prepared: PreparedFile | None = None
) -> ModuleType:
    """The module of a route file, from `source`; the one that is there already if it was made of the same source.

    It is called "app.products._slug_.route", and every folder is a package, so relative imports and siblings work.
    The names depend on nothing but the files of the project, unless another "app" is in the way: then the root
    carries a short hash of its place. `prepared` is executed in place of the source.

    Raises:
        RouteModuleError: the file, or something that it imports, can't be parsed or raises.
    """
    _put_on_path(project)
    package = _package(path.parent, app_dir, project)
    name = f"{package}.{path.stem}"
    present = _present(name)
    if present is not None and source_of(present) in (None, source):
        return present
    return _execute(name, _Source(path, source, prepared), [], project)


def _present(name: str) -> ModuleType | None:
    """The module that is there; if another thread is importing it, the whole of it."""
    if sys.modules.get(name) is None:
        return None
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit):  # noqa: BLE001 - the other thread's import has failed: this one says why
        return None


def package_of(folder: Path, app_dir: Path, project: Path) -> str:
    """The dotted name of the package of a folder with route files, which can be imported from now on.

    Raises:
        RouteModuleError: an `__init__.py` can't be parsed, or raises.
    """
    _put_on_path(project)
    return _package(folder, app_dir, project)


def import_project_file(path: Path, project: Path) -> ModuleType:
    """The module of a file that stands in the project's folder, such as instrumentation.py.

    Raises:
        RouteModuleError: as `import_route` does.
    """
    _put_on_path(project)
    source = path.read_bytes()
    name = path.stem
    present = sys.modules.get(name)
    if present is not None and str(path) not in _origins(present):  # another project's, in the same process
        name = f"{name}_{_short_hash(str(path))}"
        present = sys.modules.get(name)
    if present is not None and source_of(present) in (None, source):
        return present
    return _execute(name, _Source(path, source), [], project, has_handlers=False)


def import_named(name: str, project: Path) -> ModuleType:
    """The module that `import` finds by the dotted `name`, first of all in the project's folder.

    Raises:
        ModuleNotFoundError: there is no such module, or a package above it is missing.
        RouteModuleError: as `import_route` does.
    """
    _put_on_path(project)
    importlib.invalidate_caches()  # the file may have been written a moment ago
    path = str(project.joinpath(*name.split(".")).with_suffix(".py"))
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise
        if isinstance(error, SyntaxError):
            refuse_syntax(error, path, project)
        _refuse(error, path, project, has_handlers=False)


def _put_on_path(project: Path) -> None:
    if str(project) not in sys.path:
        sys.path.insert(0, str(project))


def forget(folder: Path) -> None:
    """Drop every module of the user's that lies below `folder`, so that the next import reads the files again."""
    relative = below(folder)
    modules = list(sys.modules.items())  # found before any goes: a namespace package asks its parent for its path
    for name in [name for name, module in modules if any(_is_users(relative(path)) for path in _origins(module))]:
        del sys.modules[name]


def _origins(module: ModuleType) -> list[str]:
    values = getattr(module, "__dict__", {})  # a lazy module must not be woken
    file = values.get("__file__")
    return [file] if isinstance(file, str) else [str(path) for path in values.get("__path__") or ()]


def source_of(module: ModuleType) -> bytes | None:
    """What a module was made of by one of these functions; None if Python has imported it."""
    loader = getattr(module, "__loader__", None)
    return loader.source if isinstance(loader, _Source) else None


def _package(folder: Path, app_dir: Path, project: Path) -> str:
    """The dotted name of the package of `folder`, which is made if it isn't there."""
    known = _packages.get((folder, app_dir))
    if known is not None and str(folder) in getattr(sys.modules.get(known), "__path__", ()):
        return known
    if folder == app_dir:
        name = _root_name(app_dir, project)
    else:
        name = f"{_package(folder.parent, app_dir, project)}.{_folder_name(folder)}"
    if name not in sys.modules:
        _make_package(name, folder, project)
    _packages[folder, app_dir] = name
    return name


def _folder_name(folder: Path) -> str:
    """The folder's name with "_" for what no Python name can hold; if other folders share it, with a hash.

    Dots part names, and brackets end up in the names of OpenAPI schemas.
    """
    name = _NO_NAME.sub("_", folder.name)
    if name == folder.name:
        return name
    twins = [child for child in folder.parent.iterdir() if _NO_NAME.sub("_", child.name) == name and child.is_dir()]
    return name if len(twins) == 1 else f"{name}_{_short_hash(folder.name)}"


def _root_name(app_dir: Path, project: Path) -> str:
    name = app_dir.name.replace(".", "_")
    relative = app_dir.relative_to(project).as_posix() if app_dir.is_relative_to(project) else app_dir.name
    for candidate in (name, f"{name}_{_short_hash(relative)}"):
        present = sys.modules.get(candidate)
        if present is None or str(app_dir) in getattr(present, "__path__", ()):
            return candidate
    return f"{name}_{_short_hash(str(app_dir))}"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]


def _make_package(name: str, folder: Path, project: Path) -> None:
    init = folder / "__init__.py"
    if init.is_file():
        _execute(name, _Source(init, init.read_bytes()), [str(folder)], project)
        return
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    _register(name, importlib.util.module_from_spec(spec))


def _register(name: str, module: ModuleType) -> None:
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


def _execute(name: str, loader: _Source, folders: list[str], project: Path, *, has_handlers: bool = True) -> ModuleType:
    """Run a file as the module `name`; a package if it has `folders`."""
    spec = ModuleSpec(name, loader, origin=loader.path, is_package=bool(folders))
    spec.has_location = True
    if folders:
        spec.submodule_search_locations = folders
    module = importlib.util.module_from_spec(spec)
    _register(name, module)
    try:
        loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        if isinstance(error, SyntaxError):
            refuse_syntax(error, loader.path, project)
        if isinstance(error, Exception | SystemExit):
            _refuse(error, loader.path, project, has_handlers=has_handlers)
        raise
    return module


def read_source(path: Path, shown: str) -> bytes:
    """The bytes of a file below app/, which messages call `shown`.

    Raises:
        RouteModuleError: it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise RouteModuleError(f"{shown} can't be read: {error.strerror}; mend its permissions.") from error


def parse_source(source: bytes, path: Path, shown: str, project: Path) -> ast.Module:
    """The syntax tree of such a file.

    Raises:
        RouteModuleError: it isn't Python.
    """
    try:
        return ast.parse(source, str(path))
    except SyntaxError as error:
        refuse_syntax(error, str(path), project)
    except ValueError as error:  # NUL bytes, in Python 3.11
        raise RouteModuleError(f"{shown}: invalid syntax: {error}") from error


def refuse_syntax(error: SyntaxError, path: str, project: Path) -> NoReturn:
    """Raise the RouteModuleError for a file that isn't Python; `path` is the file where the error names none."""
    place = Place(_relative(error.filename or path, project), error.lineno)
    line = f"\n    {error.text.strip()}" if error.text else ""
    detail = "" if error.msg == "invalid syntax" else f": {error.msg}"
    raise RouteModuleError(f"{place}: invalid syntax{detail}{line}") from error


def _refuse(error: BaseException, path: str, project: Path, *, has_handlers: bool) -> NoReturn:
    place = users_place(error, project) or Place(_relative(path, project))
    if isinstance(error, UsageError) and error.problem is not None:
        raise RouteModuleError(f"{place}: {error.problem}") from error
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        remedy = (
            "run: pip install millpond[og]" if package in _DRAWING else "install it, or put it in the project's folder"
        )
    elif unset_variable(error) is not None:
        remedy = "set it in the environment, for `millpond build` too"
        remedy += ", or read it in the handler" if has_handlers else ""
    else:
        remedy = "mend it, or move what can fail into the handler" if has_handlers else "mend it"
    raise RouteModuleError(f"{place}: the file can't be imported: {message}; {remedy}.") from error


def users_place(error: BaseException, project: Path) -> Place | None:
    """The innermost line of the project that `error` came by; None if there is none."""
    relative = below(project)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(relative(frame.filename))]
    return Place(_relative(own[-1].filename, project), own[-1].lineno) if own else None


def unset_variable(error: BaseException) -> str | None:
    """The environment variable that `os.environ[…]` didn't find, if that is what `error` is about."""
    if not isinstance(error, KeyError):
        return None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return os.fsdecode(error.args[0]) if frames and frames[-1].f_code is _ENVIRON_LOOK_UP else None


def _is_users(relative: str | None) -> bool:
    """Whether the project's author wrote a file below it; a virtual environment may lie inside the project."""
    return relative is not None and not ("site-packages" in relative and "site-packages" in Path(relative).parts)


def _relative(filename: str, project: Path) -> str:
    path = Path(filename)
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else filename
