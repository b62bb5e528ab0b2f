"""Who reads a request: its handler, or an agent around it, as error trackers are, which has no part in the answer."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import fastapi
import starlette
from starlette.requests import Request

from millpond import routes
from millpond.render.tracked import TrackedRequest

if TYPE_CHECKING:
    from types import FrameType

    from starlette.datastructures import URL, Headers, QueryParams

    from millpond.policy.segment import SegmentConfig
    from millpond.render.scope import Scope

_HERE = Path(__file__).parent
_FASTAPI = Path(fastapi.__file__).parent

_WITHIN = (
    *(f"{folder}{os.sep}" for folder in (*routes.__path__, _FASTAPI / "dependencies")),
    *(str(_FASTAPI / name) for name in ("concurrency.py", "routing.py")),
)
"""What calls handlers and dependencies."""
_AROUND = (
    f"{_HERE.parent / 'serve'}{os.sep}",
    *(str(_HERE / name) for name in ("handler.py", "passes.py", "run.py")),
    str(_HERE.parent / "cache" / "responses.py"),
    str(Path(starlette.__file__).with_name("_exception_handler.py")),
)
"""What calls those, and what agents have put around them; and what deals with errors that come out of them."""


def read_by_agent(frame: FrameType | None) -> bool:
    """Whether what `frame` is part of is called from around handlers, and not by one, or for one.

    Sentry puts itself into `fastapi.routing.get_request_handler`, and asks each request for its length and its cookies
    before the handler does anything. Of an error it reports the variables of all frames, the request among them. Where
    neither is on the stack, as in a thread or a task of its own, the read is the handler's.
    """
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_WITHIN):
            return False
        if file.startswith(_AROUND):
            return True
        frame = frame.f_back
    return False


class Reads:
    """Tells a scope what its handler reads of the request."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    @property
    def segment(self) -> SegmentConfig:
        return self._scope.segment

    def touch(self, api: str) -> None:
        """As the scope's."""
        if not read_by_agent(sys._getframe(1)):  # noqa: SLF001 - the documented way to a caller
            self._scope.touch(api)


class View(TrackedRequest):
    """What a handler sees of its request. An agent gets what isn't tracked, as it may keep it for later."""

    def __init__(self, request: Request, reads: Reads) -> None:
        super().__init__(request, reads)
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
