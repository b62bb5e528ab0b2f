from __future__ import annotations

import asyncio
import gc

import pytest

from millpond.errors import UnexpectedExitError
from millpond.render.base_exceptions import contained

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), BaseException()], ids=repr
)
async def test_what_would_pass_an_except_is_an_ordinary_error_with_its_cause(error: BaseException) -> None:
    async def work() -> None:
        raise error

    with pytest.raises(UnexpectedExitError, match=f"a callback raised {type(error).__name__}") as raised:
        await asyncio.create_task(contained(work, "a callback"))
    assert raised.value.__cause__ is error


async def test_an_ordinary_error_stays_what_it_is() -> None:
    error = ValueError("bad")

    async def work() -> None:
        raise error

    with pytest.raises(ValueError, match="bad") as raised:
        await contained(work, "a callback")
    assert raised.value is error


async def test_a_cancellation_that_somebody_asked_for_cancels() -> None:
    task = asyncio.create_task(contained(asyncio.Event().wait, "a callback"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_work_that_is_cancelled_before_it_begins_leaves_nothing_that_was_never_awaited() -> None:
    task = asyncio.create_task(contained(asyncio.Event().wait, "a callback"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gc.collect()  # a warning is an error
