"""millpond new"""

from __future__ import annotations

import re
import shlex
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from cyclopts import Parameter

import millpond
from millpond.cli.terminal.console import output
from millpond.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Example(NamedTuple):
    """A project that can be copied, by the name of its folder."""

    about: str
    takes_name: bool
    """Whether the word that is its own name stands for that of the project, wherever it is."""
    first: str | None = None
    """A command that is needed before it runs."""


ExampleName = Literal["starter", "minimal", "shop", "components"]
EXAMPLES: dict[ExampleName, _Example] = {
    "starter": _Example("one of each kind of route, tests, and settings for type checkers", takes_name=True),
    "minimal": _Example("an application and one route", takes_name=True),
    "shop": _Example(
        "a shop with a database, sessions, and pictures that are drawn",
        takes_name=False,
        first="pip install -r requirements.txt",
    ),
    "components": _Example("rivers, with Cache Components", takes_name=False),
}
"""Folders of `examples/`: it is in the package, and beside `src/` in a clone."""

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_MAY_BE_THERE = {".git", ".gitattributes", ".idea", ".vscode", ".venv", "venv", ".DS_Store", "LICENSE"}
"""What editors, git and `python -m venv` have made before; no example has such files."""
_NOT_COPIED = {"__pycache__", ".millpond", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
_LISTED = "; ".join(f"{name}: {example.about}" for name, example in EXAMPLES.items())


def new(
    name: Annotated[Path, Parameter(help='The folder to create, or "." for this one; the project gets its name.')],
    /,
    *,
    example: Annotated[ExampleName, Parameter(help=f"What to begin with: {_LISTED}.")] = "starter",
) -> int:
    """Create a small working project."""
    chosen = EXAMPLES[example]
    folder = name.absolute()
    _check(folder)
    try:
        in_the_way = _in_the_way(folder)
        if in_the_way is not None:
            raise CommandError(f"{folder} {in_the_way}; choose another name.")
        _write(folder, _files(example, folder.name if chosen.takes_name else example))
    except OSError as error:
        raise CommandError(f"{error.filename or folder} can't be written: {error.strerror}.") from error
    steps = [chosen.first] if chosen.first else []
    if folder != Path.cwd():
        steps.insert(0, f"cd {shlex.quote(str(name))}")
    lines = "".join(f"\n    {step}" for step in [*steps, "millpond dev"])
    output().print(f"{folder.name} is ready. Try:\n{lines}", soft_wrap=True)
    return 0


def _check(folder: Path) -> None:
    """Refuse names that no project can have."""
    name = folder.name
    if not _NAME.fullmatch(name):
        raise CommandError(
            f'"{name}" can\'t be a project\'s name; use letters, digits, ".", "_" and "-", and begin and end with a '
            "letter or a digit."
        )
    if _normal(name) in _packages():
        raise CommandError(
            f'"{name}" is the name of a package that the project depends on; a project of that name can\'t be '
            "installed. Choose another one."
        )


def _normal(name: str) -> str:
    """A package's name as installers compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _packages() -> set[str]:
    """Millpond and what it depends on."""
    try:
        needed = requires("millpond") or []
    except PackageNotFoundError:  # it runs from a clone that isn't installed
        needed = []
    names = (re.match(r"[\w.-]+", requirement) for requirement in needed if "extra ==" not in requirement)
    return {"millpond", *(_normal(name[0]) for name in names if name)}


def _in_the_way(folder: Path) -> str | None:
    if not folder.exists():
        return None
    if not folder.is_dir():
        return "exists and isn't a folder"
    found = sorted(child.name for child in folder.iterdir() if child.name not in _MAY_BE_THERE)
    return f"exists and isn't an empty folder: it has {found[0]}" if found else None


def _examples() -> Path:
    """The folder with the examples."""
    package = Path(millpond.__file__).parent
    return next(path for path in (package / "examples", package.parents[1] / "examples") if path.is_dir())


def _files(example: ExampleName, name: str) -> Iterator[tuple[Path, bytes]]:
    """The files of an example, each relative to it and with its content, in which `name` replaces the example's."""
    root = _examples() / example
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if path.is_file() and _NOT_COPIED.isdisjoint(relative.parts) and path.suffix not in (".db", ".log"):
            content = path.read_bytes()
            yield relative, content if name == example else content.replace(example.encode(), name.encode())


def _write(folder: Path, files: Iterator[tuple[Path, bytes]]) -> None:
    """Write files into a folder, and overwrite none; if that fails, or is interrupted, nothing of them is left."""
    made: list[Path] = []
    try:
        for relative, content in files:
            path = folder / relative
            for parent in reversed(path.parents):
                if not parent.exists():
                    parent.mkdir()
                    made.append(parent)
            with path.open("xb") as file:
                made.append(path)
                file.write(content)
    except BaseException:
        for path in reversed(made):
            path.rmdir() if path.is_dir() else path.unlink()
        raise
