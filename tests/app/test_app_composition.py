"""One place knows how the rooms are put together: `millpond.app`."""

from __future__ import annotations

import ast
from pathlib import Path

import millpond
from millpond.app.runtime import Runtime

ROOT = Path(millpond.__file__).parent


def test_the_parts_of_a_run_are_made_in_one_module() -> None:
    told = {"MetadataInventory", "ServedBuild", "float"}  # what a run is told: it is the application's
    parts = {*Runtime.__annotations__.values()} - told
    assert "Dispatcher" in parts
    makers = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in parts
    }
    assert makers == {"app/runtime.py"}


def test_the_application_is_found_where_it_was() -> None:
    from millpond.app import Millpond

    assert Millpond is millpond.Millpond
