"""The layout of src/millpond: how large folders and modules are, and that one name stands for one thing."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import millpond

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(millpond.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
MOST_FILES, MOST_LINES = 16, 400
STORES = {"stores/lmdb", "stores/valkey"}
"""Packages that keep one contract: a part of it may have the same file name in each."""


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def classes(module: Path) -> Iterator[str]:
    tree = ast.parse(module.read_text("utf-8"))
    return (node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def repeated(named: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Names that occur more than once, and where."""
    places = defaultdict(list)
    for name, place in named:
        places[name].append(place)
    return {name: found for name, found in places.items() if len(found) > 1}


def test_no_folder_has_more_files_than_one_looks_over() -> None:
    folders = defaultdict(list)
    for module in MODULES:
        folders[relative(module.parent)].append(module.name)
    assert len(folders) > 15
    assert {name: len(files) for name, files in folders.items() if len(files) > MOST_FILES} == {}


def test_no_module_is_longer_than_one_reads() -> None:
    lengths = {relative(module): len(module.read_text("utf-8").splitlines()) for module in MODULES}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_a_file_name_stands_for_one_module() -> None:
    files = [(module.name, relative(module.parent)) for module in MODULES if module.name != "__init__.py"]
    found = repeated(files)
    assert {name: folders for name, folders in found.items() if set(folders) != STORES} == {}


def test_no_module_is_named_for_nothing_in_particular() -> None:
    assert [
        relative(module) for module in MODULES if module.stem in {"utils", "util", "helpers", "common", "manager"}
    ] == []


def test_a_class_name_stands_for_one_class() -> None:
    assert repeated((name, relative(module)) for module in MODULES for name in classes(module)) == {}


def test_each_folder_says_what_it_is() -> None:
    folders = {module.parent for module in MODULES}
    silent = [
        relative(folder)
        for folder in sorted(folders)
        if not ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8")))
    ]
    assert silent == []


def test_the_design_says_of_each_rule_of_policy_which_question_it_answers() -> None:
    design = (Path(__file__).parents[2] / "docs" / "design.md").read_text("utf-8")
    section = design.partition("## What `policy/` holds\n")[2].partition("\n## ")[0]
    named = [
        name
        for row in re.findall(r"^\|[^|]*\|([^|]*)\|$", section, re.MULTILINE)
        for name in re.findall(r"`(.+?)`", row)
    ]
    folder = ROOT / "policy"
    there = [
        path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.py") if path.stem != "__init__"
    ]
    assert sorted(named) == sorted(there)


def test_the_tests_that_ci_names_are_there() -> None:
    repository = Path(__file__).parents[2]
    named = re.findall(r"\btests/[\w/.]+\w", (repository / ".ci" / "run").read_text("utf-8"))
    assert named
    assert [name for name in named if not (repository / name).exists()] == []
