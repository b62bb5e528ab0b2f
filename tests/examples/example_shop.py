"""The example shop, built and served in a folder of its own."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import millpond_process

from millpond.serve.access.access_lines import FLUSH_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx2

SHOP = Path(__file__).parents[2] / "examples" / "shop"
TOKEN, SECRET = "swordfish", "0123456789abcdef"
_SERVED_ONLY = ("SHOP_ADMIN_TOKEN", "SHOP_REVALIDATE_SECRET")


class RunningShop(NamedTuple):
    """A shop that was built and is being served."""

    client: httpx2.Client
    table: str
    """What the build printed."""
    database: Path
    log: Path

    def upstream_calls(self) -> int:
        """How often the shop's upstream was asked for something while serving: its access log is a moment late."""
        time.sleep(FLUSH_SECONDS + 0.1)
        messages = [json.loads(line)["message"] for line in self.log.read_text("utf-8").splitlines()]
        return sum(message.startswith("GET /upstream") for message in messages)

    def set_price(self, slug: str, cents: int, token: str = TOKEN) -> httpx2.Response:
        headers = {"x-admin-token": token}
        return self.client.put(f"/api/products/{slug}", json={"price_cents": cents}, headers=headers)


@contextmanager
def running_shop(
    folder: Path, env: Mapping[str, str], built_with: Mapping[str, str] | None = None
) -> Iterator[RunningShop]:
    """A copy of the shop, built and served; `built_with` are variables of the build only."""
    project = folder / "project"
    env = {"SHOP_ADMIN_TOKEN": "", "SHOP_DATABASE": "elsewhere.db", **env}
    of_build = {**env, **dict.fromkeys(_SERVED_ONLY, ""), **(built_with or {})}
    built = _built_shop(folder, of_build)
    shutil.copytree(built.folder, project, dirs_exist_ok=True)
    table, database = built.table, project / "elsewhere.db"
    if "SHOP_REVALIDATE_SECRET" in env:
        _uncomment_endpoint(project / "millpond.toml")
    with millpond_process.served(project, env) as address, millpond_process.client(address) as client:
        yield RunningShop(client, table, database, project / "start.log")


class _BuiltShop(NamedTuple):
    folder: Path
    table: str


_built: dict[tuple[tuple[str, str], ...], _BuiltShop] = {}
"""By the variables of the build: to draw the pictures takes seconds, and a build may be copied to another folder."""


def _built_shop(folder: Path, env: dict[str, str]) -> _BuiltShop:
    known = tuple(sorted(env.items()))
    if known not in _built:
        project = folder / "built"
        ignored = shutil.ignore_patterns("*.db", ".millpond", "__pycache__")
        shutil.copytree(SHOP, project, ignore=ignored)
        _built[known] = _BuiltShop(project, millpond_process.build(project, env))
    return _built[known]


def _uncomment_endpoint(config: Path) -> None:
    text = config.read_text("utf-8")
    assert "# [revalidate_endpoint]" in text
    config.write_text(text.replace("# [reval", "[reval").replace("# secret_env", "secret_env"), "utf-8")


def is_stored(answer: httpx2.Response) -> bool:
    """Whether nobody waited for a render. On a slow machine a minute passes between a build and a test."""
    return cache_of(answer) in ("HIT", "STALE")


def cache_of(answer: httpx2.Response) -> str | None:
    return answer.headers.get("x-nextjs-cache")
