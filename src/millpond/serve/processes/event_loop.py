"""The event loops of commands."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from millpond.render.resilient_loop import ResilientLoop

if TYPE_CHECKING:
    from collections.abc import Callable


def fastest_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes event loops: uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return default_loop()
    return _lasting(uvloop.Loop)


def default_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes asyncio's own event loops."""
    if sys.platform == "win32":
        return _lasting(asyncio.ProactorEventLoop)
    return _lasting(asyncio.SelectorEventLoop)


def _lasting(loop: type[asyncio.AbstractEventLoop]) -> type[asyncio.AbstractEventLoop]:
    return type(loop.__name__, (ResilientLoop, loop), {})
