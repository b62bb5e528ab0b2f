"""docs/standards.md: each line names tests that pytest collects."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING

from document_tables import REPOSITORY, tables

if TYPE_CHECKING:
    from pathlib import Path

STANDARDS = REPOSITORY / "docs" / "standards.md"
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")
ASKED = ["RFC 9111", "RFC 9110", "RFC 9211", "RFC 9213", "RFC 9875", "RFC 8246", "RFC 5861", "RFC 9842"]


@cache
def files_of_tests() -> dict[str, Path]:
    """By name, which is unique."""
    return {path.name: path for path in (REPOSITORY / "tests").rglob("test_*.py")}


@cache
def collected(file: str) -> set[str]:
    """The functions of a file that are tests: those at its top."""
    tree = ast.parse(files_of_tests()[file].read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_line_names_tests_that_are_collected() -> None:
    rows = [row for table in tables(STANDARDS) for row in table.rows]
    assert len(rows) > 60
    for row in rows:
        named = NAMED.findall(row[-1])
        assert named, row
        for file, name in named:
            assert file in files_of_tests(), row
            assert name in collected(file), f"{file}::{name}"
        assert NAMED.sub("", row[-1]).strip(" ,") == "", row


def test_each_specification_has_lines() -> None:
    text = STANDARDS.read_text("utf-8")
    assert [name for name in ASKED if name not in text] == []
    assert all(table.rows for table in tables(STANDARDS))
