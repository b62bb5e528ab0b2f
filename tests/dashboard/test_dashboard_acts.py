"""What somebody can do on the dashboard: it asks, does it, and tells who did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from shop_project import SECRET, Staff, open_shop, write_shop

from cli_project import call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ponds import Project

pytestmark = pytest.mark.anyio


@pytest.fixture
def shop(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    monkeypatch.setenv("DASHBOARD_SECRET", SECRET)
    write_shop(project)
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    return project


@pytest.fixture
async def staff(shop: Project) -> AsyncIterator[Staff]:
    async with open_shop(shop) as staff:
        await staff.log_in()
        yield staff


async def seen(staff: Staff, path: str = "/items/1") -> tuple[str, str]:
    answer = await staff.client.get(path)
    return answer.headers["x-nextjs-cache"], answer.text


async def test_a_page_asks_and_says_what_is_reached(staff: Staff) -> None:
    page = await staff.page("confirm/tag?of=prices")
    assert "2 answers, 1 function" in page
    assert "millpond revalidate --tag prices --profile max" in page
    assert "Logged as <b>ops</b>" in page


async def test_a_refresh_renders_now_and_keeps_the_old_answer_if_that_fails(shop: Project, staff: Staff) -> None:
    shop.write({"price.txt": "12"})
    done = await staff.send("confirm/tag?of=prices", {"how": "refresh"})
    assert (done.status_code, done.headers["location"]) == (303, "/_millpond/timeline?done=1#main")
    assert await seen(staff) == ("HIT", '{"id":"1","price":12}')
    shop.write({"price.txt": "none"})
    await staff.send("confirm/path?of=/items/1", {"how": "refresh", "note": "prices corrected"})
    assert await seen(staff) == ("HIT", '{"id":"1","price":12}')
    timeline = await staff.page("timeline")
    assert "1 path failed and kept what was stored · “prices corrected”" in timeline
    assert "admin ops" in timeline


async def test_a_soft_invalidation_serves_the_old_answer_once_more(shop: Project, staff: Staff) -> None:
    shop.write({"price.txt": "12"})
    await staff.send("confirm/path?of=/items/1", {"how": "soft"})
    assert await seen(staff) == ("STALE", '{"id":"1","price":10}')
    assert "/items/1 invalidated softly (max), generation 1" in await staff.page("timeline")


async def test_a_hard_one_of_many_answers_is_to_be_typed_again(shop: Project, staff: Staff) -> None:
    shop.write({"price.txt": "12"})
    refused = await staff.send("confirm/route?of=/items/[id]", {"how": "hard", "again": "/items"})
    assert "again=no" in refused.headers["location"]
    assert "nothing was done" in await staff.page(refused.headers["location"].removeprefix("/_millpond/").split("#")[0])
    assert (await seen(staff))[0] == "HIT"
    await staff.send("confirm/route?of=/items/[id]", {"how": "hard", "again": "/items/[id]"})
    assert await seen(staff) == ("MISS", '{"id":"1","price":12}')


async def test_a_purge_drops_what_is_stored(staff: Staff) -> None:
    await staff.send("confirm/path?of=/items/1", {"how": "purge"})
    assert (await seen(staff))[0] == "MISS"
    assert (await seen(staff, "/items/2"))[0] == "HIT"


async def test_an_entry_is_named_as_the_command_line_does(
    shop: Project, staff: Staff, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = call(shop.folder, capsys, "cache", "ls", "--json", "--dir", str(shop.folder)).facts["entries"]
    ids = {entry["kind"]: entry["id"] for entry in listed}
    assert "Render <span" in await staff.page(f"confirm/entry?of={ids['response']}")
    assert "Purge <span" in await staff.page(f"confirm/entry?of={ids['function']}")
    done = await staff.send(f"confirm/entry?of={ids['function']}", {"how": "purge"})
    assert done.status_code == 303
    left = call(shop.folder, capsys, "cache", "ls", "--json", "--dir", str(shop.folder)).facts["entries"]
    assert "function" not in {entry["kind"] for entry in left}


async def test_what_fails_is_said_before_somebody_makes_it_a_500(shop: Project, staff: Staff) -> None:
    shop.write({"price.txt": "none"})
    await staff.send("confirm/tag?of=prices", {"how": "refresh"})
    page = await staff.page("confirm/path?of=/items/1")
    assert "Its render fails at the moment" in page
    assert 'value="refresh" checked' in page


@pytest.mark.parametrize("path", ["confirm/tag", "confirm/host?of=a", "confirm/path?of=items", "confirm/entry?of=abc"])
async def test_what_there_is_not_is_a_404(staff: Staff, path: str) -> None:
    assert (await staff.client.get(f"/_millpond/{path}")).status_code == 404


async def test_the_log_names_who_did_what_in_one_line(staff: Staff, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "millpond.dashboard"):
        await staff.send("confirm/tag?of=a%0Aroot: nothing happened", {"how": "soft", "note": "why\n not"})
    said = [record.getMessage() for record in caplog.records if record.name == "millpond.dashboard"]
    assert len(said) == 1
    assert said[0].startswith("ops: Tag a\\nroot: nothing happened invalidated softly (max), generation 1")
    assert said[0].endswith("“why not”)")
    assert "\n" not in said[0]


async def test_nobody_acts_from_elsewhere(staff: Staff) -> None:
    fields = {"of": "/items/1", "how": "hard"}
    assert (await staff.client.post("/_millpond/confirm/path", data=fields)).status_code == 403
    page = await staff.page("confirm/path?of=/items/1")
    token = page.split('name="csrf" value="')[1].split('"')[0]
    headers = {"sec-fetch-site": "cross-site"}
    done = await staff.client.post("/_millpond/confirm/path", data={**fields, "csrf": token}, headers=headers)
    assert done.status_code == 403
    assert (await seen(staff))[0] == "HIT"


async def test_a_cron_is_run_by_hand_and_the_page_tells_of_it(staff: Staff) -> None:
    assert "none yet" in await staff.page("crons")
    link = "crons/run?path=%2Ftick&schedule=0+0+1+1+%2A&timezone=UTC"
    assert "Run it now" in await staff.page(link)
    await staff.send(link, {})
    assert "ok, 200" in await staff.page("crons")
    assert "Ran the cron /tick by hand: ok, status 200" in await staff.page("timeline?kind=crons")


async def test_with_a_store_of_its_own_there_is_one_host(staff: Staff) -> None:
    assert "One host" in await staff.page("hosts")
