"""The application that a command works on: named on the command line or in the configuration, or found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from millpond.app.application import Millpond
from millpond.app.entrypoint.candidates import candidates_in
from millpond.app.entrypoint.entry_module import entry_module
from millpond.app.entrypoint.import_string import ImportString, parse
from millpond.app.entrypoint.named_app import named_app
from millpond.app.hints.misnamed import elsewhere
from millpond.config import ApplicationConfig, Config, fastapi_entrypoint, load_config, read_env_files
from millpond.errors import UsageError

if TYPE_CHECKING:
    from types import ModuleType

    from millpond.config import Entrypoint

ROUTES = "app"
"""The folder with the routes, of a project without an application of its own."""
_FILES = ("main", "app.main")
"""Modules that may make the application, as FastAPI's command line looks for them."""
_BEGIN = "Write app/route.py or main.py, or run `millpond new NAME`; --dir names another folder."


class OpenedApp(NamedTuple):
    """An application, and what its user should know about how it was found."""

    app: Millpond
    notes: list[str]


def open_app(entrypoint: Entrypoint) -> OpenedApp:
    """Make the application: import the module that does it, or else take the folder's routes alone.

    It is what the command line names, else `[app] entrypoint`, else `[tool.fastapi] entrypoint` in pyproject.toml, else
    what main.py or app/main.py makes. The project's folder becomes the working directory of this process, and
    the variables of its `.env` files are set.

    Raises:
        UsageError: what is named isn't there, or is no Millpond.
        ProjectError: the module raises.
        MillpondError: the configuration or a route file is wrong.
    """
    folder = entrypoint.folder.resolve()  # as the working directory will be
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}; give the project's with --dir.")
    os.chdir(folder)  # as where servers are started: `Millpond()` and `StaticFiles(directory="static")` are relative
    notes = read_env_files(folder, load_config(folder).app.env_files)  # before any code of the project runs
    opened = _imported(entrypoint, folder)
    return OpenedApp(opened.app, [*notes, *opened.notes])


def _imported(entrypoint: Entrypoint, folder: Path) -> OpenedApp:
    text, factory, source = _said(entrypoint)
    if text:
        return _named(parse(text, source, folder), source, folder, factory=factory)
    if text is None:
        for name in _FILES:
            found = _found(name, folder)
            if found is not None:
                return found
    if not (folder / ROUTES).is_dir():
        remedy = elsewhere(folder) or _BEGIN
        raise UsageError(f"there is no application in {folder}: neither main.py nor a folder app. {remedy}")
    return OpenedApp(Millpond(folder / ROUTES), [])


def _said(entrypoint: Entrypoint) -> tuple[str | None, bool, str]:
    """The import string, whether it names a factory, and where that is written, as the beginning of a message."""
    if entrypoint.given is not None:
        return entrypoint.given, entrypoint.factory, ""
    if entrypoint.factory:
        raise UsageError("--factory is about a function; name it, such as --app main:create_app.")
    config = load_config(entrypoint.folder).app
    if config.entrypoint is not None:
        return config.entrypoint, config.factory, "[app] entrypoint: "
    return fastapi_entrypoint(entrypoint.folder), False, "[tool.fastapi] entrypoint: "


def _named(wanted: ImportString, source: str, folder: Path, *, factory: bool) -> OpenedApp:
    module = entry_module(wanted, source, folder)
    candidates = candidates_in(module, wanted.module, _file_of(module, folder))
    if wanted.attribute is None:
        if factory:
            raise UsageError(f"{source}--factory needs the name of the function: {wanted.module}:create_app.")
        app, note = candidates.chosen()
    else:
        app, note = named_app(module, wanted, candidates, source, folder, factory=factory), None
    return _opened(app, note, folder)


def _found(name: str, folder: Path) -> OpenedApp | None:
    """The application that the module `name` makes; None if there is no such file, or no application in it."""
    if not folder.joinpath(*name.split(".")).with_suffix(".py").is_file():
        return None
    module = entry_module(ImportString(name), "", folder)
    candidates = candidates_in(module, name, _file_of(module, folder))
    return None if candidates.is_empty else _opened(*candidates.chosen(), folder)


def _opened(app: Millpond, note: str | None, folder: Path) -> OpenedApp:
    notes = [note] if note else []
    if app.project != folder:
        here = msgspec.structs.replace(load_config(folder), app=ApplicationConfig())
        if here not in (Config(), app.config):
            notes.append(f"the project of this application is {app.project}: in {folder} only [app] is read")
    return OpenedApp(app, notes)


def _file_of(module: ModuleType, folder: Path) -> str:
    file = getattr(module, "__file__", None)
    path = Path(file) if file else None
    if path is None:
        return module.__name__
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
