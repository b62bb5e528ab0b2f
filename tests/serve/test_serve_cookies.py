"""Cookies of requests: parsed in linear time, with the results of a mended Python (CVE-2024-7592)."""

from __future__ import annotations

import http.cookies
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.draft_mode import is_draft
from millpond.render.request.cookie_unquoting import is_needed, unquote

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

SECRET = "5ec12e7" * 8
HOSTILE = '"' + "\\" * 60_000 + '"'


def asks(*cookies: str) -> list[tuple[bytes, bytes]]:
    return [(b"cookie", cookie.encode("latin-1")) for cookie in cookies]


@pytest.mark.parametrize(
    "cookies",
    [
        (f"__prerender_bypass={SECRET}",),
        (f"a=b; __prerender_bypass={SECRET}; c=d",),
        (f"a=b;__prerender_bypass={SECRET};c=d",),
        (f'__prerender_bypass="{SECRET}"',),
        (f" __prerender_bypass = {SECRET} ",),
        ("a=b", f"__prerender_bypass={SECRET}"),
        (f"__prerender_bypass=guess; __prerender_bypass={SECRET}",),
        (f"{HOSTILE}; __prerender_bypass={SECRET}",),
    ],
)
def test_an_editors_cookie_is_found_wherever_it_stands(cookies: tuple[str, ...]) -> None:
    assert is_draft(asks(*cookies), SECRET)


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "__prerender_bypass",
        "__prerender_bypass=",
        f"__prerender_bypass={SECRET}0",
        f"__prerender_bypass={SECRET[:-1]}",
        f"x__prerender_bypass={SECRET}",
        f"__prerender_bypass_x={SECRET}",
        f"a=__prerender_bypass={SECRET}",
        f"a b __prerender_bypass={SECRET}",
        f"__prerender_bypass=a;{SECRET}",
        f"__prerender_bypass={HOSTILE}",
        "__prerender_bypass=" * 3000,
        "; " * 30_000 + "__prerender_bypass",
    ],
)
def test_nothing_else_is_taken_for_it(cookie: str) -> None:
    assert not is_draft(asks(cookie), SECRET)
    assert not is_draft([(b"x-cookie", f"__prerender_bypass={SECRET}".encode())], SECRET)


@pytest.mark.parametrize("cookie", ["__prerender_bypass=", '__prerender_bypass=""', "__prerender_bypass=guess", ""])
def test_where_there_is_no_secret_nobody_is_an_editor(cookie: str) -> None:
    assert not is_draft(asks(cookie), "")


READERS = {
    "request.cookies": "async def GET(request): return [len(value) for value in request.cookies.values()]\n",
    "cookies()": "from millpond import cookies\ndef GET(): return [len(value) for value in cookies().values()]\n",
    "Cookie()": "from typing import Annotated\nfrom fastapi import Cookie\n"
    "def GET(a: Annotated[str, Cookie()], b: Annotated[str, Cookie()]): return [len(a), len(b)]\n",
}


@pytest.mark.parametrize("compat", ["14", "16"])  # in 14 reads of live requests are tracked
@pytest.mark.parametrize("reader", READERS)
async def test_a_hostile_cookie_takes_a_handler_no_longer_than_its_length_does(
    project: Project, reader: str, compat: str
) -> None:
    """With a quadratic parser each of these takes half a minute."""
    project.routes({"/": f"dynamic = 'force-dynamic'\n{READERS[reader]}"})
    async with project.serving(compat=compat) as running:
        began = time.process_time()
        answer = await running.get("/", headers={"cookie": f"a={HOSTILE}; b=x"})
        assert answer.json() == [30_000, 1]
        assert time.process_time() - began < 3


async def test_a_hostile_cookie_of_draft_mode_gets_the_same_hit_as_any(project: Project) -> None:
    project.routes({"/": "revalidate = 60\ndef GET(): return 1\n"})
    async with project.serving() as running:
        assert await running.cache("/", headers={"cookie": f"__prerender_bypass={HOSTILE}"}) == "HIT"


escapes = st.text(st.sampled_from('\\"01237489an\n\u00e9; '), max_size=12)


@given(value=escapes | escapes.map(lambda text: f'"{text}"'))
def test_values_mean_what_they_mean_to_a_mended_python(value: str) -> None:
    assert unquote(value) == mended(value)


def mended(value: str) -> str:
    """The algorithm of CPython 3.13.0, lib/http/cookies.py."""
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    return re.sub(r"\\(?:([0-3][0-7][0-7])|(.))", lambda m: chr(int(m[1], 8)) if m[1] else m[2], value[1:-1])


@given(value=escapes | escapes.map(lambda text: f'"{text}"'))
def test_values_mean_what_they_mean_to_the_slow_loop(value: str) -> None:
    assert unquote(value) == looped(value)


def looped(value: str) -> str:
    """The algorithm of CPython 3.11.7."""
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    value, at, parts = value[1:-1], 0, []
    while at < len(value):
        octal, quoted = re.compile(r"\\[0-3][0-7][0-7]").search(value, at), re.compile(r"[\\].").search(value, at)
        if octal is None and quoted is None:
            parts.append(value[at:])
            break
        if quoted is not None and (octal is None or quoted.start() < octal.start()):
            parts += [value[at : quoted.start()], value[quoted.start() + 1]]
            at = quoted.start() + 2
        else:
            assert octal is not None
            parts += [value[at : octal.start()], chr(int(octal[0][1:], 8))]
            at = octal.start() + 4
    return "".join(parts)


@pytest.mark.parametrize(
    ("version", "needed"),
    [
        ((3, 11, 7), True),
        ((3, 11, 9), True),
        ((3, 11, 10), False),
        ((3, 12, 5), True),
        ((3, 12, 6), False),
        ((3, 13, 0), False),
        ((3, 14, 0), False),
    ],
)
def test_pythons_that_are_linear_by_themselves_keep_their_own(version: tuple[int, int, int], needed: bool) -> None:
    assert is_needed(version) is needed


def test_whoever_asks_python_gets_the_linear_one() -> None:
    assert (http.cookies._unquote is unquote) is is_needed()


@pytest.mark.parametrize("python", sorted(Path.home().glob(".pyenv/versions/3.1[1-9]*/bin/python")), ids=str)
def test_the_pythons_at_hand_agree(python: Path) -> None:
    """Each one's own function, on values short enough for any."""
    values = [
        f'"{head}{tail}"' for head in ("\\", "\\1", "\\12", "\\0") for tail in ("", "01", "7\\", '"', "\\\\9", "\n")
    ]
    code = "import http.cookies, sys; print([http.cookies._unquote(value) for value in eval(sys.argv[1])])"
    said = subprocess.run([python, "-c", code, repr(values)], capture_output=True, text=True, check=True).stdout
    assert said.strip() == repr([unquote(value) for value in values])
