from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from served_pond import served, write_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from served_pond import Served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Four workers; nobody kills them."""
    folder = write_project(tmp_path_factory.mktemp("reliability") / "pond")
    with served(folder, workers=4) as server:
        asyncio.run(server.workers(4))
        yield server
