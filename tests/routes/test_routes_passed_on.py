"""What becomes of an upstream's answer that no real upstream sends: the body is there, or not, against the status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest
from fastapi import HTTPException

from millpond.errors import Place, UsageError
from millpond.routes.results.passed_on import passed_on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_a_body_has_none_whatever_came(status: int) -> None:
    assert passed_on(httpx2.Response(status, content=b"body")).body == b""


@pytest.mark.parametrize("status", [100, 199, 600, 999])
def test_a_status_that_no_answer_can_have_is_a_bad_gateway(status: int) -> None:
    with pytest.raises(HTTPException) as gateway:
        passed_on(httpx2.Response(status))
    assert gateway.value.status_code == 502


def test_a_header_that_comes_several_times_is_passed_on_as_often_and_a_length_once() -> None:
    headers = [("Link", "<a>"), ("link", "<b>"), ("Content-Length", "9"), ("Content-Length", "9"), ("Vary", "Accept")]
    answer = passed_on(httpx2.Response(200, headers=headers, content=b"abc"))
    assert answer.raw_headers == [(b"content-length", b"3"), (b"link", b"<a>"), (b"link", b"<b>"), (b"vary", b"Accept")]


async def pieces() -> AsyncIterator[bytes]:
    yield b"abc"


@pytest.mark.anyio
async def test_a_body_that_was_closed_before_it_was_read_is_an_error_that_says_where() -> None:
    request = httpx2.Request("GET", "http://user:hush@x/")
    answer = httpx2.Response(200, content=pieces(), request=request)
    await answer.aclose()
    with pytest.raises(UsageError, match=r"^app/route\.py:1: the answer of http://x/ was closed before") as refusal:
        passed_on(answer, Place("app/route.py", 1))
    assert "hush" not in str(refusal.value)
