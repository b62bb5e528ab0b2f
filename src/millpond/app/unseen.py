"""Whether anything in front of the router has to see an application's requests: only else may they go past it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.middleware.base import BaseHTTPMiddleware

from millpond.internals import fastapi_names, starlette_names
from millpond.serve.configured.cors import recognised_cors
from millpond.serve.hits import CHECK_INTERVAL

if TYPE_CHECKING:
    from starlette.middleware import Middleware

    from millpond.internals.starlette_names import LayeredFastAPI
    from millpond.serve.hits import Hits
    from millpond.serve.span import Tracing


class Unseen:
    """Looks for middleware, tracers and a limit on bodies, once a second: to look costs more than a hit.

    Args:
        app: the application.
        call: the function by which its class is called; a subclass may have another one.
        tracing: looks at the same time whether there is anybody to tell.
    """

    def __init__(self, app: LayeredFastAPI, call: object, tracing: Tracing) -> None:
        self._app, self._call, self._tracing = app, call, tracing
        self._looks_again, self._unseen, self._unobserved, self._is_measured = 0.0, False, False, True
        self._may_read_queries = True

    def __call__(self) -> bool:
        """Whether nothing has to see requests."""
        self._look()
        return self._unseen and starlette_names.is_built_stack(self._app)

    def of_renders(self) -> bool:
        """Whether nothing has to see renders: no client's request, so no middleware, is around them."""
        self._look()
        return self._unobserved

    def is_measured(self) -> bool:
        """Whether FastAPI's own telemetry may have to see requests."""
        self._look()
        return self._is_measured

    def may_read_queries(self) -> bool:
        """Whether code of the user's stands in front of the routes, which may answer by the query, or by a cookie."""
        self._look()
        return self._may_read_queries

    def _look(self) -> None:
        now = time.monotonic()
        if now >= self._looks_again:
            self._looks_again = now + CHECK_INTERVAL
            self._tracing.look()
            self._is_measured = fastapi_names.is_observed(self._app)
            self._unobserved = not self._is_measured and self._is_unobserved()
            self._unseen = self._unobserved and starlette_names.user_middleware(self._app) == []
            in_front = starlette_names.known_middleware(self._app)
            is_subclass = type(self._app).__call__ is not self._call
            self._may_read_queries = is_subclass or not all(map(_runs_no_other_code, in_front))

    def look_again(self) -> None:
        """Look at the next call, whenever that is."""
        self._looks_again = 0.0

    def lets_routes_wait(self) -> bool:
        """Whether nobody in front of the router looks at all routes with each request, as counters and tracers do.

        Whoever does would have to wait until all files are loaded, in its first request.
        """
        middleware = starlette_names.user_middleware(self._app)
        return middleware is not None and all(map(_is_starlettes, middleware)) and self._is_unobserved()

    def of_hits(self, hits: Hits) -> bool:
        """Whether nothing but a CORSMiddleware has to see hits: they are answered as that would answer them."""
        middleware = starlette_names.user_middleware(self._app)
        if middleware is None:
            return False
        cors = recognised_cors(middleware)
        hits.recognise(cors)
        return (not middleware or cors is not None) and self._is_unobserved()

    def _is_unobserved(self) -> bool:
        app = self._app
        return (
            app.max_body_size is None
            and type(app).__call__ is self._call
            and starlette_names.is_past_possible()
            and starlette_names.has_own_stack(app)
            and not fastapi_names.is_observed(app)
        )


def _is_starlettes(middleware: Middleware) -> bool:
    """Whether it is one of Starlette's own, none of which asks for a route; a function of the user's might."""
    made: object = middleware.cls
    module = getattr(made, "__module__", "")
    return made is not BaseHTTPMiddleware and module.startswith(("starlette.middleware.", "fastapi.middleware."))


def _runs_no_other_code(middleware: Middleware) -> bool:
    """Whether it is one of Starlette's own, and none of its options is a function or an object of the user's."""
    return _is_starlettes(middleware) and all(map(_is_plain, (*middleware.args, *middleware.kwargs.values())))


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | bytes | int | float)
