"""What the documentation shows is what happens."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import millpond_process
import pytest
from documents import Block, Terminal, blocks, missing_lines, steps

from millpond.config import parse_config

REPOSITORY = Path(__file__).parents[2]
SHOP = REPOSITORY / "examples" / "shop"
DOCUMENTS = [REPOSITORY / "README.md", SHOP / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
ABOUT_THE_SHOP = DOCUMENTS[:2]


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The project that a document starts with: the shop, or an empty folder."""
    folder = tmp_path / "project"
    if request.getfixturevalue("document") in ABOUT_THE_SHOP:
        shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns("*.db", ".millpond", "__pycache__"))
    else:
        folder.mkdir()
    return folder


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_a_document_shows_what_happens(document: Path, project: Path, tmp_path: Path) -> None:
    shown = tmp_path / "shown" if document in ABOUT_THE_SHOP else project
    with Terminal(project) as terminal:
        for block in blocks(document):
            if block.file is not None:
                _write(block, block.file, shown)
            elif block.kind == "console":
                _run(block, terminal)
            elif block.kind == "python":
                compile(block.text, f"{document.name}:{block.line}", "exec")
            elif block.kind == "toml":
                parse_config(tomllib.loads(block.text), f"{document.name}:{block.line}")
    if (shown / "app").exists():
        millpond_process.build(shown)
    for module in shown.glob("*.py"):
        subprocess.run([sys.executable, "-c", f"import {module.stem}"], cwd=shown, check=True, timeout=20)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    text = document.read_text("utf-8")
    targets = {target.split("#")[0] for target in _link_targets(text)} - {""}
    assert [target for target in sorted(targets) if not (document.parent / target).exists()] == []


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


def test_a_console_block_is_its_commands_each_with_what_is_shown_below_it() -> None:
    assert list(steps("$ a -b\nx\n…\n\ny\n$ c\n")) == [("a -b", ["x", "y"]), ("c", [])]


def _write(block: Block, file: str, project: Path) -> None:
    path = project / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, "utf-8")


def _run(block: Block, terminal: Terminal) -> None:
    for command, shown in steps(block.text):
        output = terminal.run(command)
        missing = missing_lines(shown, output)
        assert not missing, f"line {block.line}, $ {command}\nmissing: {missing}\noutput:\n{output}"


def _link_targets(text: str) -> list[str]:
    pieces = [piece.split(")")[0] for piece in text.split("](")[1:]]
    return [piece for piece in pieces if not piece.startswith(("http://", "https://"))]
