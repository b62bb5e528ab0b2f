"""Agents around a handler, as error trackers put them there: what they read of a request is no part of its answer."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import fastapi
from starlette.requests import Request

from millpond import routes
from millpond.render.tracked import TrackedRequest

if TYPE_CHECKING:
    from types import FrameType

    from starlette.datastructures import URL, Headers, QueryParams

    from millpond.policy.segment import SegmentConfig
    from millpond.render.scope import Scope

_SEAM = str(Path(__file__).with_name("handler.py"))
_RUNS_HANDLERS = tuple(f"{folder}{os.sep}" for folder in (*fastapi.__path__, *routes.__path__))


def read_by_agent(frame: FrameType | None) -> bool:
    """Whether `frame` was called in between the seam and what runs handlers: neither by the handler, nor for it.

    Sentry puts itself into `fastapi.routing.get_request_handler`, and asks each request for its length and its cookies
    before the handler does anything. In a thread the seam isn't on the stack: there every read is the handler's.
    """
    while frame is not None:
        file = frame.f_code.co_filename
        if file == _SEAM:
            return True
        if file.startswith(_RUNS_HANDLERS):
            return False
        frame = frame.f_back
    return False


class Reads:
    """Tells a scope what is read of its request, for as long as it is the handler that reads."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._over = False

    @property
    def segment(self) -> SegmentConfig:
        return self._scope.segment

    def touch(self, api: str) -> None:
        """As the scope's."""
        if not self._over and not read_by_agent(sys._getframe(1)):  # noqa: SLF001 - the documented way to a caller
            self._scope.touch(api)

    def end(self) -> None:
        """The handler has failed: whoever shows the variables of its frames, as error reports do, reads them, too."""
        self._over = True


class View(TrackedRequest):
    """What a handler sees of its request. An agent gets what isn't tracked, as it may keep it for later."""

    def __init__(self, request: Request, reads: Reads) -> None:
        super().__init__(request, reads)
        self.reads = reads
        self._plain = Request(request.scope)

    @property
    def headers(self) -> Headers:
        return self._plain.headers if read_by_agent(sys._getframe(1)) else super().headers  # noqa: SLF001

    @property
    def query_params(self) -> QueryParams:
        return self._plain.query_params if read_by_agent(sys._getframe(1)) else super().query_params  # noqa: SLF001

    @property
    def cookies(self) -> dict[str, str]:
        return self._plain.cookies if read_by_agent(sys._getframe(1)) else super().cookies  # noqa: SLF001

    @property
    def url(self) -> URL:
        return self._plain.url if read_by_agent(sys._getframe(1)) else super().url  # noqa: SLF001
