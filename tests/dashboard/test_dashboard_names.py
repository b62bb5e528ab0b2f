"""Under which name somebody acts: one of `[dashboard] users`, or what a proxy tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from operated_project import Operation
from test_dashboard_access import SECRET, log_in

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def operation(folder: Path, **dashboard: Any) -> Operation:
    return Operation(folder, SECRET, config={"dashboard": {"secret_env": "SECRET", **dashboard}})


async def test_only_users_may_log_in_and_others_are_told_after_the_secret_alone(tmp_path: Path) -> None:
    async with operation(tmp_path, users=["ada", "ops"]).client() as client:
        unknown = await log_in(client, name="eve")
        assert (unknown.status_code, "nobody called eve may log in" in unknown.text) == (401, True)
        wrong = await log_in(client, b"another secret of this length", name="eve")
        assert "eve" not in wrong.text
        assert (await log_in(client, name="ada")).status_code == 303
        assert (await client.get("/_millpond")).status_code == 200


async def test_a_session_ends_when_its_name_is_no_users_any_more(tmp_path: Path) -> None:
    async with operation(tmp_path).client() as client:
        await log_in(client, name="eve")
        cookies = client.cookies
    async with operation(tmp_path, users=["ada"]).client() as client:
        client.cookies = cookies
        assert (await client.get("/_millpond")).status_code == 303


async def test_a_proxy_tells_who_somebody_is(tmp_path: Path) -> None:
    async with operation(tmp_path, user_header="X-Forwarded-User", users=["ada"]).client() as client:
        nobody = await client.get("/_millpond/login")
        assert (nobody.status_code, "<code>X-Forwarded-User</code>" in nobody.text) == (403, True)
        client.headers["x-forwarded-user"] = "ada"
        form = await client.get("/_millpond/login")
        assert 'name="name"' not in form.text
        assert (await log_in(client, name="eve")).status_code == 303
        page = await client.get("/_millpond/confirm/path?of=/")
        assert "Logged as <b>ada</b>" in page.text
        client.headers["x-forwarded-user"] = "eve"
        assert (await client.get("/_millpond")).status_code == 303
        del client.headers["x-forwarded-user"]
        assert (await client.get("/_millpond")).status_code == 303


async def test_without_sessions_a_form_of_another_origin_is_refused(tmp_path: Path) -> None:
    async with Operation(tmp_path).client() as client:
        done = await client.post("/_millpond/logout", data={"csrf": "x"}, headers={"origin": "https://evil.example"})
        assert (done.status_code, "another site" in done.text) == (403, True)
        own = await client.post("/_millpond/logout", data={"csrf": "x"}, headers={"origin": "https://shop.example"})
        assert own.status_code == 303
