from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from millpond.cache import active_application
from millpond.routes.imports import forget
from ponds import Project

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_collection_finish() -> None:
    """Keep what has been collected out of each run of the garbage collector: hundreds of thousands of objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_application_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that leaves an application running, as mounted ones are, leaves nothing behind for the next one."""
    monkeypatch.setattr(active_application, "_active", [])


@pytest.fixture(autouse=True)
def no_project_of_another_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that opens a project leaves neither its folder as the current one nor its modules behind."""
    folder, path = Path.cwd(), list(sys.path)
    modules = set(sys.modules)
    own: Path | None = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    os.chdir(folder)
    sys.path[:] = path
    if own is not None and not sys.modules.keys() <= modules:
        forget(own)


@pytest.fixture(autouse=True)
def no_width_of_whoever_runs_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands fold what they print to the width that these name; pytest-xdist does name one."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("LINES", raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project."""
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder, config={"server": {"shutdown_timeout": 2.0}})
