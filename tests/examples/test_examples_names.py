"""What the documentation names is there."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def test_the_rooms_of_the_design_are_those_that_imports_go_down() -> None:
    rules = configparser.ConfigParser()
    rules.read(REPOSITORY / ".importlinter", "utf-8")
    layers = rules["importlinter:contract:house"]["layers"].split()
    design = (REPOSITORY / "docs" / "design.md").read_text("utf-8")
    rooms = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", design, re.MULTILINE)
    assert rooms == [layer for layer in layers if layer != "__main__"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_files_of_this_repository_that_a_document_names_are_there(document: Path) -> None:
    named = re.findall(r"\b(?:bench|src|tests)/[\w./-]+\b", document.read_text("utf-8"))
    assert [name for name in named if not (REPOSITORY / name).exists()] == []
