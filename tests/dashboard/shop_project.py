"""A running application with a dashboard, for tests that act on it."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2

from millpond import Millpond

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ponds import Project

SECRET = "a secret of the dashboard, long enough"
PRICES = """\
from pathlib import Path

from millpond import cached

dynamic = "force-static"
FILE = Path(__file__).parents[3] / "price.txt"


@cached(tags=["prices"])
def price() -> int:
    return int(FILE.read_text())


def generate_static_params():
    return [{"id": "1"}, {"id": "2"}]


def GET(id: str):
    return {"id": id, "price": price()}
"""
TICK = """\
dynamic = "force-dynamic"


def GET():
    return "ticked"
"""
CONFIG = """\
[dashboard]
secret_env = "DASHBOARD_SECRET"

[[cron]]
path = "/tick"
schedule = "0 0 1 1 *"
"""


def write_shop(project: Project, config: str = CONFIG) -> None:
    """A shop whose prices are in a file."""
    project.routes({"/items/[id]": PRICES, "/tick": TICK})
    project.write({"price.txt": "10", "millpond.toml": config})


class Staff:
    """Somebody with a browser who has logged in."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client

    async def log_in(self, name: str = "ops") -> httpx2.Response:
        """Log in with the secret."""
        return await self.send("login", {"name": name, "secret": SECRET})

    async def page(self, path: str = "") -> str:
        """The HTML of a page."""
        answer = await self.client.get(f"/_millpond/{path}".rstrip("/"))
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return answer.text

    async def send(self, path: str, fields: Mapping[str, str]) -> httpx2.Response:
        """Fill in the form of a page, and send it."""
        page = await self.page(path)
        form = page[page.rindex("<form") :] if "<main" not in page else page[page.index("<main") :]
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))
        found = re.search(r'<form class="(?:card )?form" action="([^"]+)"', form)
        assert found is not None, "there is no form"
        return await self.client.post(found[1], data={**hidden, **fields})


@asynccontextmanager
async def open_shop(project: Project) -> AsyncIterator[Staff]:
    """Serve a project that has been built."""
    pond = Millpond(project.folder / "app")
    pond.isolated = False  # as a server's process
    async with pond.lifespan():
        transport = httpx2.ASGITransport(pond)
        async with httpx2.AsyncClient(transport=transport, base_url="https://shop.example") as client:
            yield Staff(client)
