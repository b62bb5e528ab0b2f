"""What the documentation shows is what happens."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import millpond_process
import pytest
from document_tables import DOCUMENTS, REPOSITORY, name_of
from documents import Block, Terminal, blocks, missing_lines, steps, unshown_lines

from millpond.config import parse_config

if TYPE_CHECKING:
    from pathlib import Path

RUN = [document for document in DOCUMENTS if document.name not in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
STARTS_WITH = {folder / "README.md": folder.name for folder in sorted((REPOSITORY / "examples").iterdir())}
"""Documents about an example; all others start with an empty folder."""
SHOP = REPOSITORY / "examples" / "shop"


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The project that a document starts with: an example, or an empty folder."""
    folder = tmp_path / "project"
    if (example := STARTS_WITH.get(request.getfixturevalue("document"))) is not None:
        ignored = shutil.ignore_patterns("*.db", ".millpond", "__pycache__")
        shutil.copytree(REPOSITORY / "examples" / example, folder, ignore=ignored)
    else:
        folder.mkdir()
    return folder


@pytest.mark.parametrize("document", RUN, ids=name_of)
def test_a_document_shows_what_happens(document: Path, project: Path, tmp_path: Path) -> None:
    written = set()
    with Terminal(project) as terminal:
        for block in blocks(document):
            if block.file is not None:
                folder = tmp_path / "shown" if document in STARTS_WITH else terminal.project
                _write(block, block.file, folder)
                written.add(folder)
            elif block.kind == "console":
                _run(block, terminal)
            elif block.kind == "python":
                compile(block.text, f"{document.name}:{block.line}", "exec")
            elif block.kind == "toml":
                parse_config(tomllib.loads(block.text), f"{document.name}:{block.line}")
    for folder in written:
        if (folder / "app").exists():
            millpond_process.build(folder)
        for module in folder.glob("*.py"):
            subprocess.run([sys.executable, "-c", f"import {module.stem}"], cwd=folder, check=True, timeout=20)


def test_the_tutorial_shows_files_of_a_new_project() -> None:
    starter = REPOSITORY / "examples" / "starter"
    texts = [path.read_text("utf-8") for path in starter.rglob("*.py")]
    shown = [block for block in blocks(REPOSITORY / "docs" / "tutorial.md") if block.kind == "python"]
    own = [block.text for block in shown if block.file is None]
    assert len(own) > 4
    assert [text for text in own if not any(text.replace('"pond"', '"starter"') in whole for whole in texts)] == []


def test_the_shops_readme_names_every_route() -> None:
    text = (SHOP / "README.md").read_text("utf-8")
    files = [path for path in (SHOP / "app").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    routes = [path.relative_to(SHOP).as_posix() for path in files]
    assert len(routes) > 5
    assert [route for route in routes if f"`{route}`" not in text] == []


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        (["one", "three"], []),
        (["o…e", "t…"], []),
        (["three", "one"], ["one"]),
        (["on", "two"], ["on", "two"]),
        (["four  60 s"], []),
        (["four 60 s"], ["four 60 s"]),
        (["  five"], ["  five"]),
    ],
)
def test_shown_lines_must_be_in_the_output_whole_and_in_order(shown: list[str], missing: list[str]) -> None:
    assert missing_lines(shown, "one\ntwo \nthree\nfour (412 ms)    60 s\n five\n") == missing


def test_the_paths_of_a_route_may_come_in_any_order_as_the_slowest_is_first() -> None:
    shown = ["├ ● /[x]", "│ ├   /one", "│ └   /two", "└ λ /last"]
    output = ["├ ● /[x]", "│ ├   /two (400 ms)", "│ └   /one", "└ λ /last"]
    assert missing_lines(shown, "\n".join(output)) == unshown_lines(shown, "\n".join(output)) == []
    assert unshown_lines(shown[:2], "\n".join(output)) == ["│ ├  /two", "└ λ /last"]


def test_a_console_block_is_its_commands_each_with_what_is_shown_below_it() -> None:
    assert list(steps("$ a -b\nx\n…\n\ny\n$ c\n$ d\nz\n")) == [
        ("a -b", ["x", "y"], False),
        ("c", [], True),
        ("d", ["z"], True),
    ]


def test_what_a_document_leaves_out_of_an_output_is_noticed() -> None:
    assert unshown_lines(["one", "t…"], "one\n\ntwo (412 ms)   x\nthree\nfour\n") == ["four"]


def _write(block: Block, file: str, project: Path) -> None:
    path = project / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, "utf-8")


def _run(block: Block, terminal: Terminal) -> None:
    for step in steps(block.text):
        output = terminal.run(step.command)
        missing = missing_lines(step.shown, output)
        assert not missing, f"line {block.line}, $ {step.command}\nmissing: {missing}\noutput:\n{output}"
        if step.shown and step.whole and "millpond build" in step.command:
            unshown = unshown_lines(step.shown, output)
            assert not unshown, f"line {block.line}, $ {step.command}\nnot shown, and no line is …: {unshown}"
