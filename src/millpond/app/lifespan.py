"""The lifespan of an application: entered, and told by a server in ASGI messages."""

from __future__ import annotations

import logging
import traceback
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from millpond.errors import MillpondError
from millpond.internals.starlette_names import lifespan_of
from millpond.messages import counted
from millpond.render.base_exceptions import contained

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

    from millpond.config import Config

    Whole = Callable[[], AbstractAsyncContextManager[Mapping[str, Any]]]

log = logging.getLogger("millpond")


@asynccontextmanager
async def entered(app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
    """Within the block the user's lifespan is entered; the value is the state that it yields.

    Raises:
        UnexpectedExitError: it raised something that isn't an Exception, such as SystemExit.
        Exception: what it raised.
    """
    who, lifespan = "the application's lifespan", lifespan_of(app)
    state = await contained(lifespan.__aenter__, who)
    try:
        yield state or {}
    except BaseException as error:
        raised = type(error), error, error.__traceback__
        if not await contained(lambda: lifespan.__aexit__(*raised), who):
            raise
    else:
        await contained(lambda: lifespan.__aexit__(None, None, None), who)


@asynccontextmanager
async def failing(error: Exception) -> AsyncIterator[Mapping[str, Any]]:
    """The lifespan of an application that can't start."""
    raise error
    yield {}


async def serve_lifespan(whole: Whole, scope: Scope, receive: Receive, send: Send) -> None:
    """Enter `whole` at startup and leave it at shutdown, as Starlette's router does with a lifespan.

    An error of Millpond's own, such as a build of other routes, reaches the server as one sentence.

    Args:
        whole: makes the context manager; what it yields is the state of requests.
        scope: the lifespan's.
        receive: the server's.
        send: the server's.

    Raises:
        BaseException: what `whole` raises; the server was told before.
    """
    started = False
    await receive()
    try:
        async with whole() as state:
            if state:
                if "state" not in scope:
                    raise RuntimeError('The server does not support "state" in the lifespan scope.')
                scope["state"].update(state)
            await send({"type": "lifespan.startup.complete"})
            started = True
            await receive()
    except BaseException as error:
        step = "shutdown" if started else "startup"
        known = isinstance(error, MillpondError)
        await send({"type": f"lifespan.{step}.failed", "message": str(error) if known else traceback.format_exc()})
        raise
    await send({"type": "lifespan.shutdown.complete"})


def warn_at_start(config: Config) -> None:
    """Warn that the server that runs the lifespan leaves the configured crons alone, and who may read the metrics."""
    for note in config.metrics.notes:
        log.warning("%s", note)
    crons = config.cron
    if crons:
        log.warning(
            "this server doesn't run crons, and the configuration has %s: %s. `millpond start` runs them.",
            counted(len(crons), "cron"),
            ", ".join(cron.path for cron in crons),
        )
