"""The dashboard on a store that several hosts share: who shares it, and what is said when it can't be reached."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from shop_project import CONFIG, SECRET, open_shop, write_shop

from cli_project import call
from engines import Engine, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ponds import Project

pytestmark = pytest.mark.anyio


@pytest.fixture
def own_engine() -> Iterator[Engine]:
    """A server that a test may stop."""
    with Engine() as engine:
        yield engine


@pytest.fixture
def shop(
    project: Project, own_engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Project:
    monkeypatch.setenv("DASHBOARD_SECRET", SECRET)
    settle(own_engine.client(), "shop")
    cache = f'[cache]\nstore = "{own_engine.url}"\nprefix = "shop"\nserve_when_down = 600\nstore_timeout = 0.5\n'
    write_shop(project, cache + CONFIG)
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    return project


async def test_each_process_that_shares_the_store_is_listed_with_its_build(shop: Project) -> None:
    async with open_shop(shop) as staff, open_shop(shop):
        await staff.log_in()
        for _ in range(100):
            page = await staff.page("hosts")
            if "2 processes share the store" in page:
                break
            await asyncio.sleep(0.05)
        assert "2 processes share the store" in page
        assert page.count('<td class="num" data-label="behind">0</td>') == 2
        assert "another build" not in page


async def test_an_act_reaches_answers_in_the_shared_store(shop: Project) -> None:
    async with open_shop(shop) as staff:
        await staff.log_in()
        await staff.client.get("/items/1")
        shop.write({"price.txt": "12"})
        assert (await staff.send("confirm/tag?of=prices", {"how": "refresh"})).status_code == 303
        answer = await staff.client.get("/items/1")
        assert (answer.headers["x-nextjs-cache"], answer.json()["price"]) == ("HIT", 12)


async def test_an_entry_of_a_shared_store_is_named_as_the_command_line_does(
    shop: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_shop(shop) as staff:
        await staff.log_in()
        await staff.client.get("/items/1")
        command = ("cache", "ls", "--json", "--dir", str(shop.folder))
        listed = (await asyncio.to_thread(call, shop.folder, capsys, *command)).facts["entries"]
        ids = {entry["path"]: entry["id"] for entry in listed if entry["path"]}
        page = await staff.page(f"confirm/entry?of={ids['/items/1']}")
        assert f"millpond cache purge --key {ids['/items/1'][:10]}" in page


async def test_while_it_cant_be_reached_pages_say_since_when_and_nothing_is_done(
    shop: Project, own_engine: Engine
) -> None:
    async with open_shop(shop) as staff:
        await staff.log_in()
        own_engine.kill()
        for _ in range(200):
            page = await staff.page()
            if "be reached since" in page:
                break
            await asyncio.sleep(0.05)
        assert "be reached since <time" in page
        assert "served as stale, for 10m 00s in all" in page
        for path in ("timeline", "crons", "hosts", "confirm/tag?of=prices"):
            assert "be reached since <time" in await staff.page(path), path
        assert "Actions are off until the store is back" in await staff.page("confirm/tag?of=prices")
        token = (await staff.page()).split('name="csrf" value="')[1].split('"')[0]
        fields = {"csrf": token, "of": "prices", "how": "soft"}
        done = await staff.client.post("/_millpond/confirm/tag", data=fields)
        assert done.headers["location"] == "/_millpond/confirm/tag?of=prices#main"
