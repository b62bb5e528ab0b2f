"""What warms an application that runs in this event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.warm.warm_inside import WarmInside

if TYPE_CHECKING:
    from millpond.app import Millpond


async def inside_of(app: Millpond, *, live: bool = False) -> WarmInside:
    """What warms a started application.

    Args:
        app: it runs in this event loop.
        live: whether to call routes that store nothing, too.
    """
    runtime = await app.runtime()
    return WarmInside(runtime.warming, runtime.dispatcher, app.config, live=live)
