"""The folders of an application's routes: each `router.py` is loaded once, and each path down has one router."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fastapi import APIRouter

from millpond.routes.options.folders import NO_FOLDERS, Folders, router_below
from millpond.routes.options.router_file import load_router

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from millpond.routes.folder import RouterPath
    from millpond.routes.options.router_file import RouterModule
    from millpond.routes.scan import RouteFile


class FolderTree:
    """What the folders above each route say.

    Args:
        project: the project's folder.
        app_dir: the folder of the routes.
        router: the application's; by default, one without options.
        outermost: what the configuration says for all routes.
    """

    def __init__(
        self, project: Path, app_dir: Path, router: APIRouter | None = None, outermost: Folders = NO_FOLDERS
    ) -> None:
        self._project, self._app_dir, self._outermost = project, app_dir, outermost
        self._router = APIRouter() if router is None else router
        self._loaded: dict[RouterPath, RouterModule] = {}
        self._above: dict[tuple[RouterPath, ...], tuple[Folders, APIRouter]] = {(): (outermost, self._router)}

    @property
    def loaded(self) -> Iterable[RouterModule]:
        """Those above a route that was asked about."""
        return self._loaded.values()

    def above(self, file: RouteFile) -> tuple[Folders, APIRouter]:
        """What the folders above a route file say, and the router that has the application's options and theirs.

        Raises:
            RouteModuleError: a `router.py` can't be imported, or says something that can't work.
        """
        known = self._above.get(file.routers)
        if known is None:
            folders = replace(self._outermost, routers=tuple(self._load(each) for each in file.routers))
            known = self._above[file.routers] = folders, router_below(self._router, folders)
        return known

    def _load(self, file: RouterPath) -> RouterModule:
        if file not in self._loaded:
            self._loaded[file] = load_router(file, self._project, self._app_dir)
        return self._loaded[file]
