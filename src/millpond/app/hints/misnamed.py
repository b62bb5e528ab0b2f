"""Files that were probably meant as routes, but have another name, by what other frameworks call them."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from millpond.routes.exports import METHODS
from millpond.routes.metadata_file import metadata_file
from millpond.routes.scan import FILE_NAME, is_hidden

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SCRIPTS = (".js", ".jsx", ".mjs", ".ts", ".tsx")
_PAGES = {"page": "a page is a route whose GET returns HTML", "layout": "there are no layouts"}
_HANDLER = re.compile(rf"^(?:async[ \t]+)?def[ \t]+({'|'.join(METHODS)})\b".encode(), re.MULTILINE)
_OTHER_PARAMETER = re.compile(r":(\w+)|<(?:\w+:)?(\w+)>|\$(\w+)")
_MOST_BYTES = 100_000
"""Larger modules are data."""
_ELSEWHERE = ("src/app", "pages", "src/pages", "routes", "src/routes", "api", "src/api")


def misnamed(app_dir: Path, project: Path) -> list[str]:
    """A sentence for each file below `app_dir` that looks like a route and is none, with what to write instead.

    It is told by the names that Next.js, FastAPI and others give such files, and by handlers that it defines. A module
    that a route has imported is one of the project's own, whatever its name; so is everything in a private folder. The
    routes are to be loaded before.

    Args:
        app_dir: the folder with the routes.
        project: messages name files relative to it.
    """
    found = []
    for path in _files(app_dir):
        remedy = _remedy(path, _shown(path.parent, project), at_root=path.parent == app_dir)
        if remedy is not None and not _is_imported(path):
            found.append(f"{_shown(path, project)} is no route: {remedy}.")
        elif path.name == FILE_NAME:
            found += _other_parameters(path.relative_to(app_dir).parts[:-1], _shown(path, project))
    return found


def elsewhere(project: Path) -> str | None:
    """A sentence about routes that are in a folder where other frameworks have them, of a project that has none."""
    for name in _ELSEWHERE:
        files = list(_files(project / name))
        if any(path.name == FILE_NAME for path in files):
            return f'{name}/ has route files; name the folder: Millpond("{name}").'
        if name.endswith("pages") and files:
            wanted = _route_for(files[0].relative_to(project / name))
            return f"routes aren't in {name}/: {_shown(files[0], project)} would be {wanted}."
    return None


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_hidden(name) and name != "node_modules")
        yield from (Path(parent, name) for name in sorted(files))


def _is_imported(path: Path) -> bool:
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return os.path.realpath(path) in {os.path.realpath(file) for file in files if isinstance(file, str)}


def _remedy(path: Path, folder: str, *, at_root: bool) -> str | None:
    """What to write instead of a file, which is in `folder`; None if it may have the name that it has."""
    name, stem, suffix = path.name, path.stem.lower(), path.suffix.lower()
    if name == FILE_NAME or metadata_file(name, at_root=at_root) is not None:
        return None
    if stem == "route" and suffix in ("", ".py"):
        return f"rename it to {FILE_NAME}"
    if suffix in _SCRIPTS and stem in ("route", *_PAGES):
        return f"only Python files are; write {folder}/{FILE_NAME}"
    if suffix != ".py":
        return None
    if stem == "routes":
        return f"rename it to {FILE_NAME}, or import it where its router is included"
    if stem in _PAGES:
        return f"{_PAGES[stem]}; write {folder}/{FILE_NAME}"
    handler = _handler_in(path)
    if handler is None:
        return None
    if stem not in ("index", "main", "handler", "handlers"):
        folder = f"{folder}/{path.stem}"
    return f"it defines {handler}, and only files called {FILE_NAME} answer; move it to {folder}/{FILE_NAME}"


def _handler_in(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            match = _HANDLER.search(file.read(_MOST_BYTES))
    except OSError:  # not a readable file, so no module either
        return None
    return None if match is None else match[1].decode()


def _other_parameters(folders: Sequence[str], file: str) -> Iterator[str]:
    """Folders that other frameworks would take for parameters."""
    for folder in folders:
        match = _OTHER_PARAMETER.fullmatch(folder)
        if match is not None:
            name = next(filter(None, match.groups()))
            yield f'{file}: the folder "{folder}" stands for itself in URLs; a parameter is written [{name}].'


def _route_for(page: Path) -> str:
    """The route file for a file of Next.js's pages router, which is relative to its folder."""
    return "/".join(("app", *(part for part in page.with_suffix("").parts if part != "index"), FILE_NAME))


def _shown(path: Path, project: Path) -> str:
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else str(path)
