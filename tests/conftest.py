from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from millpond.cache import active_application
from millpond.routes.imports import forget
from ponds import Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_application_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that leaves an application running, as mounted ones are, leaves nothing behind for the next one."""
    monkeypatch.setattr(active_application, "_active", [])


@pytest.fixture(autouse=True)
def no_width_of_whoever_runs_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands fold what they print to the width that these name; pytest-xdist does name one."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("LINES", raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty project; its modules are forgotten afterwards, since every project has an `app`."""
    folder = tmp_path / "project"
    folder.mkdir()
    path = list(sys.path)
    yield Project(folder, config={"server": {"shutdown_timeout": 2.0}})
    forget(folder)
    sys.path[:] = path
