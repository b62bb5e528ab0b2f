"""Projects for the tests of routes/: files in a folder, scanned and loaded."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from millpond.routes.module import RouteModule, load
from millpond.routes.scan import RouteFile, scan

if TYPE_CHECKING:
    from pathlib import Path


def write(project: Path, files: dict[str, str]) -> Path:
    """Write `files` below `project` and return its app folder."""
    for name, text in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), "utf-8")
    return project / "app"


def write_routes(project: Path, *folders: str) -> Path:
    """Write a route file into each of `folders`, which are relative to app/."""
    return write(project, {f"app/{folder}/route.py".replace("//", "/"): "def GET(): ...\n" for folder in folders})


def scan_routes(project: Path, *folders: str) -> list[RouteFile]:
    return scan(write_routes(project, *folders), project)


def load_one(project: Path, source: str, folder: str = "") -> RouteModule:
    """The module of the one route of a project."""
    app = write(project, {f"app/{folder}/route.py".replace("//", "/"): source})
    (file,) = scan(app, project)
    return load(file, project, app)
