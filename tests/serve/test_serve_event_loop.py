from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from millpond.serve.processes.event_loop import default_loop, fastest_loop, run_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

LOOPS = pytest.mark.parametrize("loop", [fastest_loop, default_loop])


async def raise_exit() -> None:
    sys.exit(3)


async def interrupt() -> None:
    raise KeyboardInterrupt


@LOOPS
@pytest.mark.parametrize("raises", [raise_exit, interrupt])
def test_what_a_task_raises_reaches_those_who_wait_for_it_and_nobody_else(
    loop: Callable[[], Callable[[], asyncio.AbstractEventLoop]], raises: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    async def work() -> str:
        others = asyncio.create_task(asyncio.sleep(0.01, "well"))
        with pytest.raises((SystemExit, KeyboardInterrupt)):
            await asyncio.create_task(raises())
        return await others

    assert run_loop(work(), loop()) == "well"


@LOOPS
def test_what_a_callback_raises_is_logged(
    loop: Callable[[], Callable[[], asyncio.AbstractEventLoop]], caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> int:
        asyncio.get_running_loop().call_soon(sys.exit, 3)
        await asyncio.sleep(0.01)
        return 7

    assert run_loop(work(), loop()) == 7
    assert "a task or a callback of the application raised SystemExit" in caplog.text


@LOOPS
def test_what_the_work_itself_raises_ends_it(loop: Callable[[], Callable[[], asyncio.AbstractEventLoop]]) -> None:
    with pytest.raises(SystemExit):
        run_loop(raise_exit(), loop())
