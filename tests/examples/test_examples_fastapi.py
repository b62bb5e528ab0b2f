"""docs/fastapi.md speaks of every option and habit, and the tests that it names hold what it says."""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import TYPE_CHECKING

import pytest
from document_tables import REPOSITORY, Table, codes, tables
from fastapi import FastAPI

from millpond import Millpond
from millpond.routes.options.option_values import OF_FOLDERS, OF_OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

CHAPTER = REPOSITORY / "docs" / "fastapi.md"
HELD = re.compile(r"(test_\w+\.py)::(test_\w+)")
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
NO_HABITS = {"setup", "build_middleware_stack"}
"""What FastAPI calls itself."""


def habits() -> list[Table]:
    return [table for table in tables(CHAPTER) if table.columns[-1] == "held by"]


def rows() -> Iterator[tuple[str, list[str]]]:
    """Each habit, and what holds it."""
    for table in habits():
        for row in table.rows:
            yield row[0], codes(row[-1])


@cache
def files_of_tests() -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py")}


def is_there(held: str) -> bool:
    """Whether a test is there, or a folder with some."""
    if named := HELD.fullmatch(held):
        return f"def {named[2]}(" in files_of_tests().get(named[1], "")
    return held.endswith("/") and any((REPOSITORY / held).glob("test_*.py"))


@pytest.mark.parametrize(("habit", "held_by"), [pytest.param(*row, id=row[0]) for row in rows()])
def test_a_habit_names_tests_that_are_there(habit: str, held_by: list[str]) -> None:
    assert held_by, habit
    assert [held for held in held_by if not is_there(held)] == []


@pytest.mark.parametrize("held", ["test_app_options.py::test_nothing", "test_nothing.py::test_a", "docs/", "tests/"])
def test_a_test_that_is_not_there_is_noticed(held: str) -> None:
    assert not is_there(held)


def named_at_the_left() -> set[str]:
    return {name for habit, _ in rows() for span in codes(habit) for name in re.findall(r"\w+", span)}


def test_every_option_of_fastapis_constructor_is_a_habit() -> None:
    options = set(inspect.signature(FastAPI.__init__).parameters) - {"self"}
    assert len(options) > 30
    assert sorted(options - named_at_the_left()) == []


def test_every_option_of_operations_and_folders_is_a_habit() -> None:
    left = {table.columns[0]: {name for row in table.rows for name in codes(row[0])} for table in habits()}
    assert set(OF_OPERATIONS) <= left["option of `@operation`"]
    assert set(OF_FOLDERS) <= left["option of a folder"]


def test_every_method_of_fastapi_is_a_habit_or_one_of_a_kind() -> None:
    """The methods of HTTP, and the ways to declare a route, stand for each other."""
    public = {name for name in dir(FastAPI) if not name.startswith("_")} - NO_HABITS
    alike = {name for name in public if re.fullmatch(r"(add_)?(api_)?(websocket_)?route|add_api_websocket_route", name)}
    alike |= {method.lower() for method in METHODS}
    assert sorted(public - alike - named_at_the_left()) == []


def test_every_parameter_of_millponds_own_is_in_the_reference() -> None:
    own = set(inspect.signature(Millpond.__init__).parameters) - {"self", "fastapi"}
    (table,) = [each for each in tables(CHAPTER.with_name("reference.md")) if each.columns[0] == "parameter"]
    assert {name for row in table.rows for name in codes(row[0])} == own
