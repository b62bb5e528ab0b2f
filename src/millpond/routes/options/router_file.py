"""A folder's `router.py`: what it says for all routes below, loaded and checked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from millpond.errors import Place, RouteModuleError
from millpond.internals.starlette_names import has_own_lifespan
from millpond.messages import closest
from millpond.policy.segment import (
    DISTINCTIVE_NAMES,
    OPTION_NAMES,
    SegmentConfig,
    invalid_options,
    parse_segment_config,
)
from millpond.routes.exports import CAMEL_CASE, METHODS, STATIC_PARAMS, lines_of, own_lines
from millpond.routes.imports import import_route, parse_source, read_source
from millpond.routes.options.operation_options import marked_of
from millpond.routes.options.option_values import DEPENDENCY, OF_FOLDERS, given, problem_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType

    from millpond.routes.folder import RouterPath

ROUTER = "router"
"""The name of an APIRouter that holds the options, in place of single names."""

_LIKENESS = 0.75
"""How much alike a name must be to be a misspelling: lower than in route files, as a guard may hang on it."""

_ELSEWHERE = {
    "prefix": "the folder's name is the prefix of all below; rename the folder, or leave it out",
    "lifespan": "give it to the application: Millpond(lifespan=...)",
    "on_startup": "give it to the application: Millpond(on_startup=...)",
    "on_shutdown": "give it to the application: Millpond(on_shutdown=...)",
    "redirect_slashes": "write trailing_slash into millpond.toml, which holds for all route files",
    "route_class": "file routes have a class of their own; put the work into a dependency or middleware",
    "response_class": "write default_response_class",
    "middleware": "add it to the application: app.add_middleware(...)",
    "exception_handlers": "give them to the application: Millpond(exception_handlers=...)",
}
"""Names that FastAPI has for routers or applications, and what to do instead."""


@dataclass(frozen=True, slots=True)
class RouterModule:
    """What the `router.py` of a folder says."""

    file: RouterPath
    module: ModuleType
    options: Mapping[str, Any]
    """FastAPI's options, by the names of an APIRouter's; those that it gives."""
    config: SegmentConfig
    """Of this file alone: what it doesn't define is None, or empty."""
    lines: Mapping[str, int]
    """Where the options and the segment config are defined."""
    digest: bytes
    """SHA-256 of the source."""

    def place(self, name: str) -> Place:
        """Where the option `name` is defined; of an APIRouter, where that is."""
        return Place(self.file.file, self.lines.get(name, self.lines.get(ROUTER)))

    @property
    def defines(self) -> tuple[str, ...]:
        """The names of the segment config that it defines."""
        named = (name for name in OPTION_NAMES if name in vars(self.module))
        return tuple(name for name in named if name != "hosts" or self.config.hosts)  # else a variable of its own


def load_router(file: RouterPath, project: Path, app_dir: Path) -> RouterModule:
    """Import the `router.py` of a folder, and check what it says.

    Raises:
        RouteModuleError: it can't be read, parsed or imported; a name looks like an option and isn't one, so that it
            would do nothing; an option has a value that it doesn't take; or something stands there that belongs into a
            route file.
    """
    project, app_dir = project.absolute(), app_dir.absolute()
    source = read_source(file.path, file.file)
    tree = parse_source(source, file.path, file.file, project)
    module = import_route(file.path, source, app_dir, project)
    return _Checked(file, module, own_lines(tree), lines_of(tree, {*OF_FOLDERS, *OPTION_NAMES, ROUTER})).loaded(source)


@dataclass(frozen=True, slots=True)
class _Checked:
    """Finds what is wrong with a module; one message names all of it."""

    file: RouterPath
    module: ModuleType
    own: Mapping[str, int]
    """The lines of the names that it defines rather than imports."""
    lines: Mapping[str, int]

    def loaded(self, source: bytes) -> RouterModule:
        exports = vars(self.module)
        problems = [*self._misplaced(exports), *self._values(exports)]
        if problems:
            raise RouteModuleError("\n".join(problems))
        return RouterModule(
            file=self.file,
            module=self.module,
            options=given(self._options(exports)),
            config=parse_segment_config(exports),
            lines=self.lines,
            digest=hashlib.sha256(source).digest(),
        )

    def _options(self, exports: Mapping[str, Any]) -> dict[str, Any]:
        router = exports.get(ROUTER)
        named = {name: exports[name] for name in OF_FOLDERS if name in exports}
        return {**_options_of(router), **named} if isinstance(router, APIRouter) else named

    def _at(self, name: str, problem: str) -> str:
        place = Place(self.file.file, self.own.get(name, self.lines.get(name)))
        return f"{place}: {problem}{'' if problem.endswith('?') else '.'}"

    def _misplaced(self, exports: Mapping[str, Any]) -> list[str]:
        """Names of the file's own that look as if they did something, and don't."""
        found = [(name, _misplaced(name, exports[name], exports)) for name in self.own if name in exports]
        return [self._at(name, problem) for name, problem in found if problem is not None]

    def _values(self, exports: Mapping[str, Any]) -> list[str]:
        found = []
        for name in OF_FOLDERS:
            problem = problem_of(name, exports.get(name), OF_FOLDERS)
            if problem is not None:
                found.append(self._at(name, problem))
        found += [self._at(error.name, str(error)) for error in invalid_options(exports)]
        if isinstance(router := exports.get(ROUTER), APIRouter) and not _is_anothers(router):
            options = _options_of(router)
            wrong = [problem_of(name, value, OF_FOLDERS) for name, value in options.items()]
            twice = [name for name in options if exports.get(name) is not None]
            doubled = [f"the router gives {name}, and so does the name; keep one" for name in twice]
            found += [self._at(ROUTER, problem) for problem in [*_of_router(router), *wrong, *doubled] if problem]
        return found


def _options_of(router: APIRouter) -> dict[str, Any]:
    """The options that a router has been given."""
    plain = APIRouter()
    return {
        name: value
        for name in OF_FOLDERS
        if not _is_default(value := getattr(router, name, None), getattr(plain, name, None))
    }


def _is_default(value: object, default: object) -> bool:
    if default is None or isinstance(default, list | dict | bool):
        return value == default
    return type(value) is type(default)  # FastAPI's marker for what isn't given


def _of_router(router: APIRouter) -> list[str]:
    """What a router has that has no meaning in a folder."""
    found = []
    if router.routes:
        found.append(
            "the router has routes of its own, and here it stands for the options of the folder; move them to another "
            "file, and include them in the application, or make route files of them"
        )
    if router.prefix:
        found.append(f"the router has prefix={router.prefix!r}; {_ELSEWHERE['prefix']}")
    events = [name for name in ("on_startup", "on_shutdown") if getattr(router, name, ())]
    found += [f"the router has {name}; {_ELSEWHERE[name]}" for name in events]
    if router.route_class is not APIRouter().route_class:
        found.append(f"the router has a route_class; {_ELSEWHERE['route_class']}")
    if has_own_lifespan(router):
        found.append(f"the router has a lifespan; {_ELSEWHERE['lifespan']}")
    return found


def _misplaced(name: str, value: object, exports: Mapping[str, Any]) -> str | None:
    """What is wrong with one name; None: nothing is."""
    if name in OF_FOLDERS or name in OPTION_NAMES:
        return None
    if isinstance(value, APIRouter) or name == ROUTER:
        return _misplaced_router(name, value)
    if marked_of(value) is not None:
        return f"{name} has an @operation, which belongs above a handler of a route file; move it there"
    if _holds_dependencies(value):
        unused = f"{name} holds dependencies, and guards nothing; name it dependencies"
        return None if _is_used(value, exports) else unused
    if name.startswith("_"):
        return None
    return _misplaced_function(name, exports) if callable(value) else _misspelled(name, value, exports)


def _is_anothers(router: APIRouter) -> bool:
    """Whether a router has routes of its own, and no options: it is included elsewhere, and says nothing here."""
    return bool(router.routes) and not _options_of(router)


def _misplaced_router(name: str, value: object) -> str | None:
    if isinstance(value, APIRouter) and _is_anothers(value):
        return None
    if not isinstance(value, APIRouter):
        return f"{ROUTER} is a value of type {type(value).__name__}; make it an APIRouter, or give it another name"
    return None if name == ROUTER else f"{name} is a router, and gives the folder nothing; name it {ROUTER}"


def _misspelled(name: str, value: object, exports: Mapping[str, Any]) -> str | None:
    if value is not None and not isinstance(value, str | int | float | list | tuple | dict):
        return None
    if name in _ELSEWHERE:
        return f"{name} does nothing here; {_ELSEWHERE[name]}"
    if name in CAMEL_CASE:
        return f"{name} does nothing; write {CAMEL_CASE[name]}"
    guess = closest(name.lower(), [*OF_FOLDERS, *DISTINCTIVE_NAMES], _LIKENESS)
    return f"{name} does nothing; did you mean {guess}?" if guess and guess not in exports else None


def _misplaced_function(name: str, exports: Mapping[str, Any]) -> str | None:
    if name in METHODS:
        return f"{name} answers no requests here; move it to a route.py"
    if name == STATIC_PARAMS:
        return f"{name} lists no paths here; move it to the route.py of the folder with the parameter"
    guess = closest(name, OF_FOLDERS, _LIKENESS)
    return f"{name} is a function, and does nothing; did you mean {guess}?" if guess and guess not in exports else None


def _holds_dependencies(value: object) -> bool:
    return isinstance(value, DEPENDENCY) or (
        isinstance(value, list | tuple) and bool(value) and all(isinstance(item, DEPENDENCY) for item in value)
    )


def _is_used(value: object, exports: Mapping[str, Any]) -> bool:
    """Whether the dependencies of a helper's name are among those of the folder."""
    router = exports.get(ROUTER)
    used = [*(exports.get("dependencies") or ()), *(router.dependencies if isinstance(router, APIRouter) else ())]
    held = [value] if isinstance(value, DEPENDENCY) else list(value) if isinstance(value, list | tuple) else []
    return all(any(item is each for each in used) for item in held)
