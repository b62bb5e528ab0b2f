"""What warms an application that runs in this event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.serve.layers.in_process import InProcess
from millpond.warm.warm_inside import WarmInside

if TYPE_CHECKING:
    from millpond.app import Millpond


async def inside_of(app: Millpond, *, live: bool = False) -> WarmInside:
    """What warms a started application.

    Args:
        app: it runs in this event loop.
        live: whether to call routes that store nothing, too.
    """
    dispatcher = (await app.runtime()).dispatcher
    inside = InProcess.of(app, dispatcher, app.config.base_path, "warm")
    return WarmInside(inside, dispatcher, app.config, live=live)
