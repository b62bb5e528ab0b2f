"""The rules that code cites are in the repository, and the tests that they name hold them."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from document_tables import DOCUMENTS
from document_tables import REPOSITORY as ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES = ROOT / "docs" / "rules.md"
DIFFERENCES = ROOT / "docs" / "differences.md"
SOURCES = sorted((ROOT / "src").rglob("*.py"))
WRITTEN = sorted(
    {
        *DOCUMENTS,
        *SOURCES,
        *(path for folder in ("tests", "bench", "examples") for path in (ROOT / folder).rglob("*.py")),
    }
)
CITED = re.compile(r"\b(R\d+\.\d+|D\d+)\b|\b([A-K]\.\d+)\b(?!\.)")
"""A rule, a difference, or a worked example."""
NO_DOCUMENT_OF_OURS = re.compile(r"\bDESIGN\b|\b[Aa]nnex")
NOT_FOR_USERS = re.compile(rf"{CITED.pattern}|{NO_DOCUMENT_OF_OURS.pattern}")
HELD_BY = re.compile(r"`(test_\w+)\.py::(test_\w+)`")
UNHELD = "not held by a test"


def cited(text: str) -> set[str]:
    return {name or example for name, example in CITED.findall(text)}


def defined() -> set[str]:
    """What can be cited: rows of rules and differences, worked examples, and numbers that don't apply."""
    rules = RULES.read_text("utf-8")
    _, _, rest = rules.partition("## Not applicable")
    numbers = re.findall(r'<a id="[^"]+"></a>(?:\*\*)?([A-Z]\d*\.\d+)', rules)
    differences = re.findall(r"^\| (?:<a [^>]*></a>)?(D\d+) \|", DIFFERENCES.read_text("utf-8"), re.MULTILINE)
    return {*numbers, *differences, *(name for line in rest.splitlines() for name in cited(line.partition(" | ")[0]))}


def strings(source: str, *, docstrings: bool) -> Iterator[tuple[int, str]]:
    """(line, text) of the string literals of a module; those that stand alone are its documentation."""
    tree = ast.parse(source)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (docstrings or id(node) not in alone):
            yield node.lineno, node.value


def test_what_is_cited_is_in_the_rules_or_the_differences() -> None:
    known = defined()
    assert len(known) > 250
    missing = {
        path.relative_to(ROOT).as_posix(): sorted(unknown)
        for path in WRITTEN
        if (unknown := cited(path.read_text("utf-8")) - known)
    }
    assert missing == {}


def test_nothing_cites_a_document_that_is_not_in_the_repository() -> None:
    here = Path(__file__).resolve()
    texts = {path: path.read_text("utf-8") for path in WRITTEN if path.resolve() != here}
    assert [path.relative_to(ROOT).as_posix() for path, text in texts.items() if NO_DOCUMENT_OF_OURS.search(text)] == []


def test_each_rule_names_tests_that_exist() -> None:
    files = {path.stem: path for path in (ROOT / "tests").rglob("test_*.py")}
    rows = [line for line in RULES.read_text("utf-8").splitlines() if line.startswith('| <a id="r')]
    assert len(rows) > 200
    for row in rows:
        held = HELD_BY.findall(row.split(" | ")[-1])
        assert held or UNHELD in row, row
        for file, name in held:
            assert file in files, row
            assert f"def {name}(" in files[file].read_text("utf-8"), f"{file}.py::{name}"


def test_each_rule_has_one_row_and_an_anchor_of_its_name() -> None:
    rules = RULES.read_text("utf-8")
    named = re.findall(r'<a id="([^"]+)"></a>(?:\*\*)?([A-Z]\d*\.\d+)', rules)
    assert [name for anchor, name in named if anchor != name.lower()] == []
    assert len({name for _, name in named}) == len(named)
    assert len(named) == rules.count("<a id=")


@pytest.mark.parametrize("room", sorted({path.relative_to(ROOT / "src" / "millpond").parts[0] for path in SOURCES}))
def test_no_message_to_a_user_has_the_number_of_a_rule(room: str) -> None:
    base = ROOT / "src" / "millpond" / room
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in (sorted(base.rglob("*.py")) if base.is_dir() else [base])
        # What stands alone in a command is its help.
        for line, text in strings(path.read_text("utf-8"), docstrings=room == "cli")
        if NOT_FOR_USERS.search(text)
    ]
    assert found == []


def test_messages_are_found_wherever_they_stand() -> None:
    lines = [
        '"""R1.1"""',
        'log("R1.2")',
        'raise E(f"{x} (R1.3)")',
        "LIMIT = 1",
        '"""R1.4"""',
        "def f():",
        '    "R1.5"',
        '    return "R1.6"',
    ]
    source = "\n".join(lines)
    told = [text for _, text in strings(source, docstrings=False)]
    assert {name for text in told for name in cited(text)} == {"R1.2", "R1.3", "R1.6"}
    assert cited(" ".join(text for _, text in strings(source, docstrings=True))) == {f"R1.{n}" for n in range(1, 7)}
