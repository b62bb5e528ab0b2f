"""The project's modules that a cached function's module is made of: results of edited ones are no longer found (R5.30).

Which helpers and constants a function reaches can't be told from its code: they are registered by decorators, looked up
by name, held in dicts. So all of the modules that its own one imports count, however far away, and what is installed
doesn't. Comments and the places of lines don't either.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import logging
import os
import secrets
import sys
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from millpond.cache.functions.code.code_content import code_content
from millpond.cache.functions.code.code_imports import imported_names
from millpond.render.user_code import is_users_file
from millpond.stores.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

log = logging.getLogger("millpond.cache")

_OF_THIS_PROCESS = secrets.token_bytes(16)
"""In place of what a process can't know any more: the content of a file that was edited after it was loaded."""
_INVALID = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What is raised for a file that is no Python, or none that can be compiled."""


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """One module as its file says it."""

    content: bytes
    """The digest of what it does."""
    imports: frozenset[str]
    """The full names that it imports anywhere: of modules, and perhaps of what is in them."""


class _OfModules(Generic[T]):
    """Facts about modules, as long as they aren't loaded again."""

    def __init__(self) -> None:
        self._facts: weakref.WeakKeyDictionary[ModuleType, tuple[object, T]] = weakref.WeakKeyDictionary()

    def get(self, module: ModuleType) -> T | None:
        spec, fact = self._facts.get(module, (None, None))
        return fact if spec is module.__spec__ else None  # importlib.reload gives it a new one

    def keep(self, module: ModuleType, fact: T) -> T:
        self._facts[module] = (module.__spec__, fact)
        return fact


_seen: _OfModules[float] = _OfModules()
"""When a module was first seen to run, in seconds since 1970."""
_sources: _OfModules[ModuleSource] = _OfModules()
_digests: _OfModules[bytes] = _OfModules()
_unloaded: BoundedDict[tuple[object, ...], ModuleSource] = BoundedDict(1024)
"""By names and states of files."""
_writing = threading.Lock()


def note_module(names: dict[str, Any]) -> None:
    """Tell that a module is being loaded, or runs; `names` are its globals."""
    module = _module_with(names)
    if module is not None and _seen.get(module) is None:
        _seen.keep(module, time.time())


def project_digest(names: dict[str, Any]) -> bytes | None:
    """A digest of what the module with the globals `names` does, and the project's modules that it imports.

    None for a module without a file. That of a function may be installed: then its package counts as the project.
    """
    module = _module_with(names)
    if module is None or _own_file(module, _top(module.__name__)) is None:
        return None
    return _digests.get(module) or _digests.keep(module, _digest(module))


def project_source(name: str) -> list[ModuleSource | None]:
    """What a module of the project says, in a list, or [None] if that can't be read; nothing for any other name.

    Args:
        name: perhaps of a module, loaded or not.
    """
    return [] if _is_foreign(name) else _source_of(name, "", None)


def code_of(name: str) -> CodeType | bytes | None:
    """The code of a module, loaded or not; the content of its file if that has none; None if it can't be read.

    Args:
        name: of the module.
    """
    module = sys.modules.get(name)
    spec = None if module is not None else _spec_of(name)
    file = spec.origin if module is None and spec is not None else getattr(module, "__file__", None)
    if not isinstance(file, str):
        return None
    known_as = name if module is None or module.__spec__ is None else module.__spec__.name
    with suppress(OSError):
        return _code(module.__loader__ if module is not None else spec and spec.loader, known_as, file)
    return None


def _digest(module: ModuleType) -> bytes:
    reached = _reached(module)
    unknown = [name for name, source in reached.items() if source is None]
    if unknown:
        log.warning(
            "%s was edited after it was loaded, so results of cached functions in %s are kept for this process alone; "
            "restart it.",
            unknown[0],
            module.__name__,
        )
        return _OF_THIS_PROCESS
    contents = [(name, source.content) for name, source in sorted(reached.items()) if source is not None]
    return hashlib.sha256(msgspec.msgpack.encode(contents)).digest()


def _module_with(names: dict[str, Any]) -> ModuleType | None:
    module = sys.modules.get(names.get("__name__", ""))
    return module if type(module) is ModuleType and module.__dict__ is names else None


def _top(name: str) -> str:
    return name.partition(".")[0]


def _own_file(module: ModuleType, package: str) -> str | None:
    """The file of a module of the project, or of the given package; None for any other. A lazy module isn't woken."""
    file = module.__dict__.get("__file__")
    if not isinstance(file, str) or file.startswith("<"):  # a script may come from "<stdin>"
        return None
    return file if _top(module.__name__) == package or is_users_file(os.path.abspath(file)) else None


def _reached(module: ModuleType) -> dict[str, ModuleSource | None]:
    """The project's modules that `module` imports, directly or not, and itself, by name; None: it isn't known."""
    found: dict[str, ModuleSource | None] = {}
    seen, package = _seen.get(module), _top(module.__name__)
    names, looked_at = [module.__name__], set[str]()
    while names:
        name = names.pop()
        if name in looked_at or (_top(name) != package and _is_foreign(name)):
            continue
        looked_at.add(name)
        for source in _source_of(name, package, seen):
            found[name] = source
            names.extend(source.imports if source is not None else ())
    return found


def _is_foreign(name: str) -> bool:
    """Whether a name is known to belong to an installed package, without looking for its file."""
    top = sys.modules.get(name.partition(".")[0])
    file = top.__dict__.get("__file__", "") if type(top) is ModuleType else None
    if top is None or file is None:  # not loaded, or a namespace package
        return False
    return not file or not is_users_file(os.path.abspath(file))


def _source_of(name: str, package: str, seen: float | None) -> list[ModuleSource | None]:
    """What a module of the project says, in a list, or [None] if that isn't known; nothing for any other module.

    Args:
        name: of the module; it may be the name of something that is no module.
        package: counts as the project's, also where it is installed.
        seen: since when what it says is in use.
    """
    module = sys.modules.get(name)
    if module is None:
        spec = _spec_of(name)
        if spec is None or spec.origin is None or not spec.has_location:
            return []
        if _top(name) != package and not is_users_file(spec.origin):
            return []
        return [_read_unloaded(spec, spec.origin, seen)]
    file = _own_file(module, package)
    if file is None:
        return []
    source = _sources.get(module)
    if source is None:
        known_as = name if module.__spec__ is None else module.__spec__.name  # "__main__" has another name there
        source = _read(module.__loader__, known_as, file, module.__package__ or "", seen)
        if source is not None:
            _sources.keep(module, source)
    return [source]


def _spec_of(name: str) -> importlib.machinery.ModuleSpec | None:
    """Where a module is that isn't loaded yet; nothing is loaded for it, not the packages above it either."""
    parent, _, _ = name.rpartition(".")
    path = _folders_of(parent) if parent else None
    if parent and path is None:
        return None
    try:
        return importlib.machinery.PathFinder.find_spec(name, path)
    except (ImportError, ValueError):
        return None


def _folders_of(package: str) -> Sequence[str] | None:
    """The folders of a package; None if it is none."""
    module = sys.modules.get(package)
    if module is not None:
        return module.__dict__.get("__path__") if type(module) is ModuleType else None
    spec = _spec_of(package)
    return None if spec is None else spec.submodule_search_locations


def _read_unloaded(spec: importlib.machinery.ModuleSpec, file: str, seen: float | None) -> ModuleSource | None:
    """As `_read`; the same module is read for each that imports it, as nothing says when it is loaded."""
    package = spec.parent or ""
    try:
        found = os.stat(file)
    except OSError:  # in an archive
        return _read(spec.loader, spec.name, file, package, seen)
    place = (spec.name, file, package, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    if seen is not None and found.st_ctime > seen:
        return None
    source = _unloaded.get(place) or _read(spec.loader, spec.name, file, package, seen)
    if source is not None:
        with _writing:
            _unloaded.keep(place, source)
    return source


def _read(loader: Any, name: str, file: str, package: str, seen: float | None) -> ModuleSource | None:
    """What the file of a module says; None if it can't be read, or was edited after the moment `seen`.

    Args:
        loader: of the module.
        name: by which the loader knows it.
        file: of the module.
        package: of the module.
        seen: as in `_source_of`.
    """
    try:
        code = _code(loader, name, file)
    except OSError:
        return None
    if seen is not None and _is_edited(file, seen):
        return None
    if isinstance(code, bytes):
        return ModuleSource(hashlib.sha256(code).digest(), frozenset())
    content = hashlib.sha256(msgspec.msgpack.encode(code_content(code))).digest()
    return ModuleSource(content, frozenset(imported_names(code, package)))


def _code(loader: Any, name: str, file: str) -> CodeType | bytes:
    """The code of a module; the content of its file if there is none: it is compiled, or no valid Python.

    A loader has it without compiling it, as a rule: from `__pycache__`, as when the module was loaded.

    Raises:
        OSError: the file can't be read.
    """
    code = None
    with suppress(ImportError, OSError, EOFError, *_INVALID):
        code = loader.get_code(name) if hasattr(loader, "get_code") else None
    if isinstance(code, CodeType):
        return code
    data = loader.get_data(file) if hasattr(loader, "get_data") else _content(file)
    try:
        return compile(data, file, "exec", dont_inherit=True)
    except _INVALID:
        return bytes(data)


def _content(file: str) -> bytes:
    with open(file, "rb") as opened:
        return opened.read()


def _is_edited(file: str, seen: float) -> bool:
    """Whether a file was changed after the moment `seen`: its status tells, as an older date can be given to it."""
    try:
        return os.stat(file).st_ctime > seen
    except OSError:  # in an archive
        return False
