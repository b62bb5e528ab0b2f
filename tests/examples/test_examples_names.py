"""What the documentation names is there: rooms, files, tests, functions, targets of make."""

from __future__ import annotations

import configparser
import io
import re
import subprocess
import sys
import tokenize
from functools import cache
from pathlib import Path

import fastapi
import httpx2
import pytest
import sentry_sdk
import starlette
from document_tables import DOCUMENTS, REPOSITORY, codes, name_of, prose
from documents import blocks

from millpond.telemetry.instruments import INSTRUMENTS
from millpond.telemetry.prometheus_text import prometheus_name

MILLPOND = REPOSITORY / "src" / "millpond"
FOR_DEVELOPERS = [REPOSITORY / "CONTRIBUTING.md", REPOSITORY / "docs" / "design.md"]
ABOUT_NEXT = ("differences.md", "porting.md", "rules.md")
"""These name functions of Next.js as well."""
LIBRARIES = (fastapi, httpx2, starlette, sentry_sdk)
AN_IDENTIFIER = re.compile(r"(?:\w+\.)*\w*[a-z]\w*_\w+|(?:\w+\.)*[A-Z][a-z]+[A-Z]\w*|[a-z_]+(?:\.\w+)+")
"""A name in snake case or camel case, or one with dots in it."""


def layers() -> list[str]:
    rules = configparser.ConfigParser()
    rules.read(REPOSITORY / ".importlinter", "utf-8")
    return rules["importlinter:contract:house"]["layers"].split()


def test_the_rooms_of_the_design_are_those_that_imports_go_down() -> None:
    rooms = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", (REPOSITORY / "docs/design.md").read_text("utf-8"), re.MULTILINE)
    assert rooms == [layer for layer in layers() if layer != "__main__"]


def test_the_rooms_of_the_design_are_the_folders_and_modules_there_are() -> None:
    named = re.findall(r"^\| `(\w+(?:/|\.py))` \|", (REPOSITORY / "docs/design.md").read_text("utf-8"), re.MULTILINE)
    modules = {path.name for path in MILLPOND.glob("*.py")} - {"__init__.py", "__main__.py"}
    folders = {f"{path.parent.name}/" for path in MILLPOND.glob("*/__init__.py")}
    assert set(named) == modules | folders


def test_contributing_has_the_arrows_that_imports_go_down() -> None:
    text = " ".join((REPOSITORY / "CONTRIBUTING.md").read_text("utf-8").split())
    (arrows,) = re.findall(r"`((?:\w+ > )+\w+)`", text)
    assert arrows.split(" > ") == [layer for layer in layers() if layer != "__main__"]


@cache
def repository_files() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [f"/{line}" for line in done.stdout.splitlines()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_the_files_of_this_repository_that_a_document_names_are_there(document: Path) -> None:
    named = re.findall(r"(?<![\w/.])(?:bench|src|tests|examples)/[\w./-]+\b", document.read_text("utf-8"))
    shown = {block.file for block in blocks(document)}
    assert [name for name in named if name not in shown and not (REPOSITORY / name).exists()] == []


@pytest.mark.parametrize("document", FOR_DEVELOPERS, ids=name_of)
def test_the_modules_that_a_document_for_developers_names_are_there(document: Path) -> None:
    named = [span for span in codes(prose(document)) if re.fullmatch(r"[\w/]+(?:\.py|/)", span)]
    files = [*repository_files(), *{f"{file.rpartition('/')[0]}/" for file in repository_files()}]
    assert named
    assert [span for span in named if not any(file.endswith(f"/{span}") for file in files)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_the_tests_that_a_document_names_are_there(document: Path) -> None:
    named = [span for span in codes(prose(document)) if re.fullmatch(r"test_\w+", span)]
    there = {name for text in files_of_tests().values() for name in re.findall(r"def (test_\w+)\(", text)}
    assert [name for name in named if name not in there] == []


@cache
def files_of_tests() -> dict[str, str]:
    return {path.stem: path.read_text("utf-8") for path in (REPOSITORY / "tests").rglob("*.py")}


def test_the_test_that_contributing_runs_is_there() -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")
    ((folder, word),) = re.findall(r"pytest (tests/\w+) -k (\w+)", text)
    names = [
        name
        for path in (REPOSITORY / folder).glob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
    ]
    assert [name for name in names if word in name] != []


@cache
def known_names() -> set[str]:
    """Every name in the code of Millpond and its examples, with the libraries that the documentation speaks of."""
    configured = (REPOSITORY / "pyproject.toml").read_text("utf-8")
    names = {*sys.stdlib_module_names, *re.findall(r"\w+", configured)}
    for file in [path for folder in ("src", "bench", "examples") for path in (REPOSITORY / folder).rglob("*.py")]:
        for token in tokenize.generate_tokens(io.StringIO(file.read_text("utf-8")).readline):
            if token.type in (tokenize.NAME, tokenize.STRING):
                names.update(re.findall(r"\w+", token.string))
    for metric in map(prometheus_name, INSTRUMENTS):
        names.update((metric, f"{metric}_total"))
    for library in LIBRARIES:
        for file in Path(str(library.__file__)).parent.rglob("*.py"):
            names.update(re.findall(r"\w+", file.read_text("utf-8")))
    return names


@pytest.mark.parametrize("document", [each for each in DOCUMENTS if each.name not in ABOUT_NEXT], ids=name_of)
def test_the_names_of_code_that_a_document_mentions_are_in_the_code(document: Path) -> None:
    """Or in a block of that document: the code that users write."""
    shown = {word for block in blocks(document) for word in re.findall(r"\w+", block.text)}
    missing = set()
    for span in codes(prose(document)):
        name = re.match(r"[\w.]+", span)
        if name and AN_IDENTIFIER.fullmatch(name[0]) and not span.startswith("test_"):
            missing |= {part for part in name[0].split(".") if part not in known_names() | shown}
    assert sorted(missing) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_make_has_the_targets_that_a_document_names(document: Path) -> None:
    targets = re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE)
    named = {span.split()[1] for span in codes(prose(document)) if re.match(r"make \w", span)}
    named |= set(re.findall(r"^    make (\w+)", document.read_text("utf-8"), re.MULTILINE))
    assert sorted(named - set(targets)) == []
