from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from endurance import Endurance
from served_pond import served, write_project

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 200_000


@pytest.mark.skipif("sys.platform != 'linux'", reason="it reads /proc")
def test_a_store_over_its_limit_stays_within_it_and_goes_on_answering(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "pond", {"max_bytes": MAX_BYTES})
    with served(folder, workers=2) as server:
        run = Endurance(server, 3.0, sorted(asyncio.run(server.workers(2))), max_bytes=MAX_BYTES)
        asyncio.run(run.run())
    assert run.wrong == []
    assert max(sample.stored_bytes for sample in run.samples) > MAX_BYTES * 0.9  # else nothing had to go
    assert max(sample.file_bytes for sample in run.samples) < 10 * MAX_BYTES
