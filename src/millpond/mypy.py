"""A plugin for mypy, by which it checks route files whatever their folders are called.

mypy takes the name of a module from the folders of its file, as far as they are Python names. `app/notes/[id]/route.py`
and `app/tags/[tag]/route.py` are both "route" to it: `Duplicate module named "route"`. So the configuration excludes
such folders, and this plugin hands their files to mypy under names of their own:

    [tool.mypy]
    explicit_package_bases = true
    mypy_path = ".mypy_cache/millpond"
    plugins = ["millpond.mypy"]
    exclude = ['^app/(.*/)?(\\d|\\w*[^\\w/])[^/]*/']

Only hooks that mypy documents are used: https://mypy.readthedocs.io/en/stable/extending_mypy.html
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mypy.plugin import Plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy.nodes import MypyFile
    from mypy.options import Options
    from mypy.plugin import ReportConfigContext

LINKS = Path(".mypy_cache", "millpond")
"""Where links to files are kept whose folders have a dot in their name, such as `[...slug]`: dots part the names of
modules. mypy reports mistakes in these files at the link."""

_ROUTE = "route.py"
_APPLICATION = ("main.py", "app/main.py")
_NOT_THE_PROJECTS = {"node_modules", "__pycache__", "site-packages"}
_AFTER_IMPORTS = 10
"""The priority that mypy recommends."""


class _Module(NamedTuple):
    name: str
    """As mypy finds it: "app.notes.[id].route"."""
    file: Path


class RouteFilesPlugin(Plugin):
    """Makes the module of the application depend on the files that mypy can't name by itself.

    Args:
        options: those of mypy; the project is the working directory, as for `exclude`.
    """

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        project = Path.cwd()
        files = list(_files_with_routes(project))
        found = [_module(project, file) for file in files if not _is_nameable(file)]
        self._names = sorted(self._reachable(found))
        self._depends = self._application(project, [file for file in files if _is_nameable(file)])

    def _reachable(self, found: list[_Module]) -> Iterator[str]:
        named = {os.path.realpath(argument) for argument in sys.argv[1:] if argument.endswith(".py")}
        linked = any(Path(path).absolute() == LINKS.absolute() for path in self.options.mypy_path)
        for module in found:
            if os.path.realpath(module.file) in named:  # mypy has a name for it, which is all that one run may have
                continue
            if module.file.is_symlink() and not linked:
                sys.stderr.write(
                    f'millpond.mypy: {module.file.resolve()} isn\'t checked: set mypy_path = "{LINKS.as_posix()}"\n'
                )
                continue
            yield module.name

    @staticmethod
    def _application(project: Path, nameable: list[Path]) -> str | None:
        """The absolute path of the file whose module depends on the others: main.py, or any that mypy checks."""
        first = [project / name for name in _APPLICATION]
        chosen = next((file for file in (*first, *(project / file for file in nameable)) if file.is_file()), None)
        return None if chosen is None else str(chosen)

    def get_additional_deps(self, file: MypyFile) -> list[tuple[int, str, int]]:
        """The modules of the files, as what the application imports."""
        return [(_AFTER_IMPORTS, name, -1) for name in self._names] if self._is_application(file.path) else []

    def report_config_data(self, ctx: ReportConfigContext) -> list[str] | None:
        """The same names: mypy looks at the application's module again when a file was added or removed."""
        return self._names if self._is_application(ctx.path) else None

    def _is_application(self, path: str) -> bool:
        return self._depends is not None and os.path.abspath(path) == self._depends


def plugin(version: str) -> type[Plugin]:
    """What mypy calls; `version` is mypy's."""
    del version
    return RouteFilesPlugin


def _files_with_routes(project: Path) -> Iterator[Path]:
    """The Python files of folders that have routes, `app` as a rule, relative to the project."""
    for folder in sorted(child for child in project.iterdir() if child.is_dir() and not child.name.startswith(".")):
        files = [file.relative_to(project) for file in _python_files(folder)]
        if any(file.name == _ROUTE for file in files):
            yield from files


def _python_files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        if "pyvenv.cfg" in files:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if name not in _NOT_THE_PROJECTS)
        yield from (Path(parent, name) for name in sorted(files) if name.endswith(".py"))


def _is_nameable(file: Path) -> bool:
    return all(name.isidentifier() for name in file.parts[:-1])


def _module(project: Path, file: Path) -> _Module:
    """The module of a file of the project: the file itself, or a link to it."""
    names = [*file.parts[:-1], file.stem]
    if any("." in name for name in names):
        names = [re.sub(r"\W+", "_", name) for name in names]
        link = project.joinpath(LINKS, *names).with_suffix(".py")
        _link(link, project / file)
        file = link
    return _Module(".".join(names).removesuffix(".__init__"), file)


def _link(link: Path, file: Path) -> None:
    if link.is_symlink() and link.readlink() == file:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(file)
