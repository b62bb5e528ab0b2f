"""Who may see the dashboard, and what nobody can make it do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from operated_project import NOW, Operation

from millpond.dashboard.access.sessions import SECURE_COOKIE, SESSION_SECONDS, Sessions

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2

SECRET = b"the secret of the dashboard"
pytestmark = pytest.mark.anyio


@pytest.fixture
def operation(tmp_path: Path) -> Operation:
    return Operation(tmp_path, SECRET)


def token_in(page: httpx2.Response) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


async def log_in(client: httpx2.AsyncClient, secret: bytes = SECRET, name: str = "ops") -> httpx2.Response:
    token = token_in(await client.get("/_millpond/login"))
    return await client.post("/_millpond/login", data={"name": name, "secret": secret.decode(), "csrf": token})


async def test_whoever_has_not_logged_in_sees_the_form_alone(operation: Operation) -> None:
    async with operation.client() as client:
        for path in ("/_millpond", "/_millpond/", "/_millpond/live?page=", "/_millpond/routes"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/_millpond/login")
        assert (await client.post("/_millpond", data={"csrf": "x"})).status_code == 403
        assert "Overview" not in (await client.get("/_millpond/login")).text


async def test_who_knows_the_secret_is_let_in_until_the_session_ends(operation: Operation) -> None:
    async with operation.client() as client:
        answer = await log_in(client)
        assert (answer.status_code, answer.headers["location"]) == (303, "/_millpond")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{SECURE_COOKIE}=")
        for attribute in ("Secure", "HttpOnly", "Path=/", "SameSite=strict"):
            assert attribute in cookie
        assert (await client.get("/_millpond")).status_code == 200
        operation.clock.now += SESSION_SECONDS
        assert (await client.get("/_millpond")).status_code == 303


async def test_logging_out_is_a_form_and_ends_the_session(operation: Operation) -> None:
    async with operation.client() as client:
        await log_in(client)
        token = token_in(await client.get("/_millpond"))
        assert (await client.get("/_millpond/logout")).status_code == 405
        assert (await client.post("/_millpond/logout", data={"csrf": "forged"})).status_code == 403
        assert (await client.get("/_millpond")).status_code == 200
        assert (await client.post("/_millpond/logout", data={"csrf": token})).status_code == 303
        assert (await client.get("/_millpond")).status_code == 303


async def test_without_tls_the_form_says_why_nobody_can_log_in(operation: Operation) -> None:
    async with operation.client(secure=False) as client:
        page = await client.get("/_millpond/login")
        assert "encrypted, so nobody can log in" in page.text
        assert 'name="secret"' not in page.text
        answer = await client.post("/_millpond/login", data={"secret": SECRET.decode()})
        assert (answer.status_code, "set-cookie" in answer.headers) == (400, False)


async def test_secrets_cannot_be_guessed_at_will(operation: Operation) -> None:
    async with operation.client() as client:
        statuses = [(await log_in(client, b"wrong")).status_code for _ in range(10)]
        assert statuses == [401] * 10
        token = operation.dashboard._sessions.login_token() if operation.dashboard._sessions is not None else ""
        form = {"name": "ops", "secret": SECRET.decode(), "csrf": token}
        assert (await client.post("/_millpond/login", data=form)).status_code == 429
        operation.clock.now += 600
        assert (await log_in(client)).status_code == 303


async def test_a_form_from_elsewhere_is_refused(operation: Operation) -> None:
    async with operation.client() as client:
        assert (await client.post("/_millpond/login", data={"secret": SECRET.decode()})).status_code == 403
        await log_in(client)
        token = token_in(await client.get("/_millpond"))
        answer = await client.post("/_millpond/logout", data={"csrf": token}, headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403
        async with operation.client() as other:
            await log_in(other, name="other")
            assert (await other.post("/_millpond/logout", data={"csrf": token})).status_code == 403


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"a=1&" * 200, "application/x-www-form-urlencoded", 400),
        (b"a=\xff", "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 415),
    ],
)
async def test_a_form_is_bounded(operation: Operation, body: bytes, kind: str, status: int) -> None:
    async with operation.client() as client:
        answer = await client.post("/_millpond/login", content=body, headers={"content-type": kind})
        assert answer.status_code == status


async def test_every_answer_has_the_policy_and_is_kept_by_no_cache(operation: Operation) -> None:
    async with operation.client() as client:
        for path in ("/_millpond", "/_millpond/login", "/_millpond/nothing", "/_millpond/static/nothing"):
            headers = (await client.get(path)).headers
            assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["cache-control"] == "no-store"
            assert headers["x-frame-options"] == "DENY"


async def test_static_files_are_kept_by_browsers_and_named_by_their_content(operation: Operation) -> None:
    async with operation.client() as client:
        page = await client.get("/_millpond/login")
        [style] = re.findall(r'rel="stylesheet" href="([^"]+)"', page.text)
        answer = await client.get(style)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
        assert "immutable" in answer.headers["cache-control"]
        assert (await client.get("/_millpond/static/../dashboard.py")).status_code in (404, 303)


async def test_in_development_nobody_has_to_log_in(tmp_path: Path) -> None:
    operation = Operation(tmp_path)
    async with operation.client(secure=False) as client:
        page = await client.get("/_millpond")
        assert page.status_code == 200
        assert "Log out" not in page.text
        assert (await client.get("/_millpond/login")).status_code == 303


async def test_below_a_mount_links_have_its_prefix(tmp_path: Path) -> None:
    operation = Operation(tmp_path, root_path="/shop")
    async with operation.client() as client:
        page = await client.get("/shop/_millpond")
        assert page.status_code == 200
        assert not re.findall(r'(?:href|src|action)="/_millpond', page.text)
        assert 'href="/shop/_millpond/routes"' in page.text


@given(cookie=st.text(max_size=200))
def test_only_signed_sessions_are_known(cookie: str) -> None:
    sessions = Sessions(SECRET, lambda: NOW)
    assert sessions.known(cookie) is None
    value, session = sessions.begun("ops")
    assert sessions.known(value) == session
    assert Sessions(b"another secret", lambda: NOW).known(value) is None
    assert sessions.known(value[:-1]) is None


@given(name=st.text(max_size=200))
def test_a_name_is_shortened_and_cannot_forge_a_line_of_the_log(name: str) -> None:
    value, session = Sessions(SECRET, lambda: NOW).begun(name)
    assert 1 <= len(session.name) <= 40
    assert session.name.isprintable()
    assert Sessions(SECRET, lambda: NOW).known(value) == session
