"""What `cookies()` sets and reads: any text, as JavaScript sets and reads it, and no header that can't be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

TEXTS = ["日本", "a; Path=/evil", "50% off, really", '{"a": "b"}', "line\nend", "", "é", "%41", " ", "🦆", "a+b=c"]

ROUTES = {
    "/jar": """
        from millpond import cookies
        def GET(request): return dict(cookies())
        async def POST(request):
            for number, text in enumerate(await request.json()):
                cookies().set(f"n{number}", text)
            return dict(cookies())
    """,
    "/plain": """
        from typing import Annotated
        from fastapi import Cookie
        def GET(request, n: Annotated[str, Cookie()]): return [request.cookies["n"], n]
    """,
    "/set": """
        from datetime import *
        from millpond import cookies
        def POST(request):
            eval(f"cookies().{request.query_params['call']}")
    """,
}


async def test_any_text_that_is_set_is_read_with_the_next_request(project: Project) -> None:
    project.routes(ROUTES)
    expected = {f"n{number}": text for number, text in enumerate(TEXTS)}
    async with project.started() as running:
        answer = await running.post("/jar", json=TEXTS)
        assert answer.json() == expected
        assert (await running.get("/jar")).json() == expected
        assert "n0=%E6%97%A5%E6%9C%AC; Path=/; SameSite=lax" in answer.headers.get_list("set-cookie")


async def test_cookies_of_javascript_are_decoded_and_broken_ones_stay_as_they_came(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started() as running:
        sent = "a=%E6%97%A5; b=50%; c=%ff; d=plain; e=a%20b"
        answer = await running.get("/jar", headers={"cookie": sent})
        assert answer.json() == {"a": "日", "b": "50%", "c": "%ff", "d": "plain", "e": "a b"}


async def test_the_request_and_fastapis_parameters_have_cookies_as_they_came(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started() as running:
        answer = await running.get("/plain", headers={"cookie": "n=%E6%97%A5"})
        assert answer.json() == ["%E6%97%A5", "%E6%97%A5"]


@pytest.mark.parametrize(
    ("call", "header"),
    [
        ('set("version", "1")', "version=1; Path=/; SameSite=lax"),
        (
            'set("a", "b", max_age=5, httponly=True, secure=True)',
            "a=b; HttpOnly; Max-Age=5; Path=/; SameSite=lax; Secure",
        ),
        ('set("a", "(b)", samesite=None)', "a=(b); Path=/"),
        ('set("a", "b", partitioned=True, secure=True)', "a=b; Path=/; SameSite=lax; Secure; Partitioned"),
        (
            'set("a", "b", expires=datetime(2030, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))))',
            "a=b; expires=Tue, 01 Jan 2030 00:00:00 GMT; Path=/; SameSite=lax",
        ),
    ],
)
async def test_a_cookie_is_set_as_it_is_said(project: Project, call: str, header: str) -> None:
    project.routes(ROUTES)
    async with project.started() as running:
        answer = await running.post("/set", params={"call": call})
        assert answer.headers.get_list("set-cookie") == [header]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('set("a b", "c")', "cookies().set('a b'): no cookie can have this name; use letters, digits, - and _."),
        ('set("", "c")', "cookies().set(''): no cookie can have this name"),
        ('delete("a;b")', "cookies().delete('a;b'): no cookie can have this name"),
        ('set("a", 5)', "cookies().set('a'): the value is of type int; cookies hold text: write str(…)."),
        ('set("a", "\\ud83d")', "cookies().set('a'): the value has half of a surrogate pair"),
        ('set("a", "b", path="/;c")', "cookies().set('a'): path = '/;c' can't stand in a header"),
        ('delete("a", domain="x\\r\\ny")', "cookies().delete('a'): domain = 'x\\r\\ny' can't stand in a header"),
        (
            'set("a", "b", samesite="lux")',
            'cookies().set(\'a\'): samesite = \'lux\'; it must be "lax", "strict", "none" or None.',
        ),
        (
            'set("a", "b", expires=datetime(2030, 1, 1))',
            "cookies().set('a'): expires = 2030-01-01 00:00:00 has no time zone; write datetime.now(UTC) + …",
        ),
        ('set("a", "b", expires="x; Path=/y")', "cookies().set('a'): expires = 'x; Path=/y' can't stand in a header"),
    ],
)
async def test_what_no_cookie_can_have_is_an_error_that_says_so(
    project: Project, call: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes(ROUTES)
    async with project.started() as running:
        answer = await running.post("/set", params={"call": call})
        assert (answer.status_code, "set-cookie" in answer.headers) == (500, False)
    assert f"UsageError: {message}" in caplog.text
