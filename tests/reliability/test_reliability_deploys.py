"""Deploys under load lose no request, keep untouched routes warm, and never answer by the code of another build."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rolling_deploys import CHANGED, SAME, deploys_of_hosts, deploys_of_workers

from long_form import times

if TYPE_CHECKING:
    from pathlib import Path

    from rolling_deploys import Seen


def check(seen: Seen, deploys: int) -> None:
    assert seen.errors == []
    assert seen.misses == 0
    assert seen.deploys == deploys
    assert seen.answers[SAME, "STALE"] > 0
    assert seen.answers[CHANGED, "MISS"] > 0


def test_workers_are_replaced_under_load_without_a_miss_on_untouched_routes(tmp_path: Path) -> None:
    deploys = times(2, 20)
    check(asyncio.run(deploys_of_workers(tmp_path / "pond", deploys)), deploys)


def test_hosts_are_restarted_one_by_one_without_a_miss_on_untouched_routes(tmp_path: Path) -> None:
    deploys = times(2, 20)
    check(asyncio.run(deploys_of_hosts(tmp_path, deploys)), deploys)
