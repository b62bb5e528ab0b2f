"""The module that makes the application: imported as route files are, with what can go wrong meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.errors import MillpondError, ProjectError, RouteModuleError, UsageError
from millpond.messages import at, closest
from millpond.prerender.failure import failure_message
from millpond.routes.imports import import_named, import_project_file, users_place

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from millpond.app.entrypoint.import_string import ImportString


def entry_module(wanted: ImportString, source: str, folder: Path) -> ModuleType:
    """Import the module of an application, with `folder` on the path.

    Args:
        wanted: the module, and the application for messages.
        source: where that was written, as the beginning of a message.
        folder: the project's.

    Raises:
        UsageError: there is no such module.
        ProjectError: it, or something that it imports, can't be parsed or raises.
        MillpondError: what Millpond itself raises meanwhile, such as a ConfigError.
    """
    name = wanted.module
    file = folder / f"{name}.py"
    try:
        return import_project_file(file, folder) if file.is_file() else import_named(name, folder)
    except ModuleNotFoundError as error:
        raise UsageError(f"{source}{_no_module(wanted, error.name or name, folder)}") from None
    except RouteModuleError as error:
        cause = error.__cause__
        if isinstance(cause, MillpondError) and not _is_about_a_call(cause):
            raise cause from None  # it says it all
        raise ProjectError(_message(error, cause, folder)) from cause


def _is_about_a_call(error: MillpondError) -> bool:
    """Whether it is about the arguments of a call, such as `Millpond("nowhere")`, and needs the line of that."""
    return isinstance(error, UsageError | ProjectError) and "\n" not in str(error)


def _message(error: RouteModuleError, cause: BaseException | None, folder: Path) -> str:
    """One that has the place, and the user's part of the traceback."""
    if cause is None or isinstance(cause, SyntaxError):
        return str(error)
    if isinstance(cause, MillpondError):
        return f"{at(users_place(cause, folder))}{cause}"
    return f"{error}\n{failure_message(cause, folder)}"


def _no_module(wanted: ImportString, missing: str, folder: Path) -> str:
    """That a module isn't there: `missing` is it, or a package above it."""
    parent, _, last = wanted.module.rpartition(".")
    if parent and _file(parent, folder).is_file():
        return f'there is no module {wanted.module}, but {parent}; an application in it is written "{parent}:{last}".'
    package, _, written = missing.rpartition(".")
    guess = closest(written, _modules_in(folder.joinpath(*package.split(".")) if package else folder))
    if guess is None:
        return f"there is no module {missing} in {folder}; name the project's folder with --dir, or install the module."
    meant = f"{package}.{guess}" if package else guess
    return f'there is no module {missing} in {folder}; did you mean "{meant}{str(wanted).removeprefix(missing)}"?'


def _file(module: str, folder: Path) -> Path:
    return folder.joinpath(*module.split(".")).with_suffix(".py")


def _modules_in(folder: Path) -> list[str]:
    """The names of the modules and packages in a folder; packages needn't have an `__init__.py`."""
    found = folder.iterdir() if folder.is_dir() else ()
    return [path.stem for path in found if path.stem.isidentifier() and (path.suffix == ".py" or path.is_dir())]
