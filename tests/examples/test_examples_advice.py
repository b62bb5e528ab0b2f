"""The examples waste nothing: `millpond advise` is silent about them after the traffic of ordinary visitors."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING

import millpond_process
from example_shop import SHOP, running_shop

from millpond.telemetry.counter_files import WRITE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import httpx2

VISITORS = 40
STARTER = SHOP.parent / "starter"


def visited(client: httpx2.Client, paths: Sequence[str]) -> None:
    """Each visitor looks at everything, and looks for something of their own."""
    for visitor in range(VISITORS):
        for path in paths:
            answer = client.get(path.format(visitor=visitor), headers={"cookie": f"cart=oak-chair:{visitor + 1}"})
            assert answer.status_code < 500, path
    time.sleep(WRITE_SECONDS + 0.2)


def advice(project: Path, env: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    done = millpond_process.run(["advise", "--json"], project, env)
    assert done.returncode == 0, done.stderr
    return [(each["kind"], each["place"]) for each in json.loads(done.stdout)["advice"]]


def test_the_shop(tmp_path: Path) -> None:
    paths = ["/", "/api/categories", "/api/products", "/api/products/oak-chair", "/api/products/oak-chair/reviews"]
    paths += ["/api/prices?category=chairs", "/api/prices?category=none-{visitor}", "/upstream/products"]
    paths += ["/api/search?q=word-{visitor}", "/api/cart", "/api/stock", "/api/health", "/products/oak-chair"]
    paths += ["/robots.txt", "/sitemap.xml", "/nothing-here"]
    env = {"SHOP_ADMIN_TOKEN": "", "SHOP_DATABASE": "elsewhere.db"}
    with running_shop(tmp_path, {}) as running:
        visited(running.client, paths)
        assert advice(running.database.parent, env) == []


def test_the_starter(tmp_path: Path) -> None:
    project = tmp_path / "starter"
    shutil.copytree(STARTER, project, ignore=shutil.ignore_patterns(".millpond", "__pycache__"))
    millpond_process.build(project)
    paths = ["/", "/time", "/notes", "/notes/first", "/notes/none", "/search?text=word-{visitor}", "/robots.txt"]
    with millpond_process.served(project) as address, millpond_process.client(address) as client:
        visited(client, paths)
        assert advice(project) == []
