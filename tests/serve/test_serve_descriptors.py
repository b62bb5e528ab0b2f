"""What the event loop says when files run out, and what it says otherwise."""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import Any

import pytest

from millpond.serve.processes.descriptors import Descriptors

pytestmark = pytest.mark.anyio

ACCEPT = "socket.accept() out of system resource"


@pytest.fixture
def clock() -> list[float]:
    """One moment, to be moved."""
    return [100.0]


def said(caplog: pytest.LogCaptureFixture) -> int:
    return sum("out of file descriptors: 7 connections open" in record.getMessage() for record in caplog.records)


async def test_accepts_that_fail_for_want_of_files_are_one_line_a_while(
    caplog: pytest.LogCaptureFixture, clock: list[float]
) -> None:
    loop = asyncio.get_running_loop()
    Descriptors(lambda: 7, lambda: clock[0]).replace_tracebacks()
    for number in (errno.EMFILE, errno.ENFILE):
        loop.call_exception_handler({"message": ACCEPT, "exception": OSError(number, "too many")})
    # asyncio, which tries again after a second, and finds the server closed.
    loop.call_exception_handler({"message": "Exception in callback BaseSelectorEventLoop._start_serving(...)"})
    assert said(caplog) == 1
    clock[0] += 60
    loop.call_exception_handler({"message": ACCEPT, "exception": OSError(errno.EMFILE, "too many")})
    assert said(caplog) == 2
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    "context",
    [
        {"message": ACCEPT, "exception": OSError(errno.EBADF, "bad")},
        {"message": "Task exception was never retrieved", "exception": OSError(errno.EMFILE, "too many")},
        {"message": "something"},
    ],
)
async def test_whatever_else_a_loop_has_to_say_goes_where_it_went_before(
    caplog: pytest.LogCaptureFixture, context: dict[str, Any]
) -> None:
    loop = asyncio.get_running_loop()
    heard: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, told: heard.append(told))
    try:
        Descriptors(lambda: 7).replace_tracebacks()
        loop.call_exception_handler(context)
        assert heard == [context]
        loop.set_exception_handler(None)
        Descriptors(lambda: 7).replace_tracebacks()
        with caplog.at_level(logging.ERROR, logger="asyncio"):
            loop.call_exception_handler(context)
    finally:
        loop.set_exception_handler(None)
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == [context["message"]]
    assert said(caplog) == 0
