from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import killed_ponds
from served_pond import kill, millpond, served, wire, write_project

if TYPE_CHECKING:
    from pathlib import Path

    from served_pond import Served


def killed(folder: Path, rounds: int, seed: int) -> dict[str, Any]:
    """The findings of `killed_ponds`."""
    done = subprocess.run(
        [sys.executable, killed_ponds.__file__, str(folder), str(rounds), str(seed)],
        capture_output=True,
        text=True,
        timeout=60 + rounds,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    findings: dict[str, Any] = json.loads(done.stdout)
    return findings


def test_a_process_that_is_killed_at_any_moment_loses_nothing_and_delays_a_key_by_no_more_than_its_lease(
    tmp_path: Path,
) -> None:
    folder = write_project(tmp_path / "pond", {"lease_seconds": killed_ponds.LEASE_SECONDS})
    assert millpond(folder, "build").returncode == 0
    findings = killed(folder, 20, seed=1)
    assert findings["wrong"] == []
    assert findings["kills"] >= 20
    assert findings["invalidations"] > 20
    assert findings["reads"] > 100


def test_a_worker_that_is_killed_in_a_render_delays_its_key_by_no_more_than_the_lease_and_is_replaced(
    tmp_path: Path,
) -> None:
    folder = write_project(tmp_path / "pond", {"lease_seconds": 1.0})

    async def rendering() -> bool:
        return (folder / "truth" / "held.count").exists()

    async def delay(server: Served) -> float:
        workers = sorted(await server.workers(2))
        async with wire(server) as holder:
            pid = (await holder.ask("GET", "/pid")).json()["pid"]
            held = asyncio.create_task(holder.ask("GET", "/slow/held"))
            await server.until(rendering)
            kill(pid)
            began = time.monotonic()
            async with wire(server) as client:
                answer = await client.ask("GET", "/slow/held")
            took = time.monotonic() - began
            assert answer.status == 200
            results = await asyncio.gather(held, return_exceptions=True)
            assert isinstance(results[0], (OSError, EOFError))
        replaced = await server.workers(2)
        assert pid not in replaced
        assert set(workers) - {pid} <= replaced
        return took

    with served(folder, workers=2) as server:
        assert asyncio.run(delay(server)) < 1.0 + 1.0
        assert "was ended by SIGKILL" in server.log()
