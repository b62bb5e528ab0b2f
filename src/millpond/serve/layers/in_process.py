"""Requests from inside: fetches of the application's own paths, crons, and warming. They are no client's requests."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

from millpond.cache.told import OWN_ANSWER
from millpond.errors import CircularWaitError
from millpond.internals import fastapi_names
from millpond.serve.access.access_log import is_logged, log_request
from millpond.serve.access.asked import Asked
from millpond.serve.access.served_request import ServedRequest
from millpond.serve.answered import ANSWERED, Answered
from millpond.serve.layers.failures import log_failure
from millpond.serve.layers.render_stack import exception_layer, handlers_of
from millpond.serve.live import at_once
from millpond.serve.matching.base_path import enter_base_path
from millpond.telemetry.invalidated import ASKED_BY

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.serve.access.served_request import Origin
    from millpond.serve.dispatch import Dispatcher
    from millpond.telemetry.request_counts import RequestCounts


@dataclass(frozen=True, slots=True)
class InProcess:
    """Answers below the user's middleware, which is for clients, and inside of the exception handlers.

    An error is logged here, once, and answered with 500: nobody further out would do it.
    """

    stack: ASGIApp
    base_path: str
    origin: Origin
    counts: RequestCounts | None = None

    @classmethod
    def of(
        cls,
        app: FastAPI,
        dispatcher: Dispatcher,
        base_path: str,
        origin: Origin,
        counts: RequestCounts | None = None,
    ) -> InProcess:
        """The way in for requests of one origin; `counts`: where they count."""
        handlers = handlers_of(app)

        async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
            scope["app"], scope["router"] = app, app.router
            await dispatcher(scope, receive, send, at_once)

        stack = exception_layer(fastapi_names.with_exit_stack(dispatch, handlers), handlers, app.debug)
        return cls(stack, base_path, origin, counts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, asked = time.perf_counter(), Asked.of(scope) if is_logged() else None
        answered = scope[ANSWERED] = Answered(send, is_clients=False, own_answer=scope.get(OWN_ANSWER))
        scope[fastapi_names.TELEMETRY_KEY], scope[ASKED_BY] = None, self.origin
        if self.base_path:
            enter_base_path(scope, "", self.base_path)
        try:
            await self.stack(scope, receive, answered)
        except CircularWaitError:  # whoever asks is a part of the circle, and fails of it
            raise
        except Exception as error:  # noqa: BLE001 - any error of the user's code
            log_failure(scope, error)
            if answered.status is None:
                await PlainTextResponse("Internal Server Error", 500)(scope, receive, answered)
        finally:
            seconds, status = time.perf_counter() - started, answered.status or 500
            if self.counts is not None:
                self.counts.tally(answered.route, status, answered.decision, self.origin).count += 1
            if asked is not None:
                asked = asked._replace(client=None)
                log_request(
                    ServedRequest(
                        asked, status, answered.decision, seconds, answered.sent, answered.is_complete, self.origin
                    )
                )
