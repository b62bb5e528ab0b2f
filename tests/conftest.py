from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from millpond.routes.imports import forget
from ponds import Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty project; its modules are forgotten afterwards, since every project has an `app`."""
    folder = tmp_path / "project"
    folder.mkdir()
    path = list(sys.path)
    yield Project(folder, config={"server": {"shutdown_timeout": 2.0}})
    forget(folder)
    sys.path[:] = path
