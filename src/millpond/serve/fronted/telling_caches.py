"""The `send` through which answers pass that are for caches in front, too: each says what these may do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException

from millpond.cache.told import INVALIDATED
from millpond.internals import starlette_names
from millpond.policy.http.caching.other_answers import SameForAll, told_to_caches, without_sharing_cookies
from millpond.policy.http.headers import has
from millpond.policy.http.surrogate import CACHE_GROUP_INVALIDATION, group_invalidation
from millpond.policy.tags import EVERYTHING, own_tags
from millpond.routes.deferred.unloaded_routes import known_routes
from millpond.routes.path import MalformedPath, canonical, split
from millpond.serve.fronted.same_for_all import SAME_FOR_ALL
from millpond.serve.matching.request_path import below_application

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message, Scope, Send

    from millpond.internals.starlette_names import LayeredFastAPI
    from millpond.policy.http.surrogate import Surrogates

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
"""Answers to these invalidate nothing (RFC 9110 §9.2.1, RFC 9875 §3)."""


class TellingCaches:
    """What the answers of one application tell caches in front.

    An answer of the user's middleware is the user's own. So with middleware, answers are told inside of it, but for
    errors that pass through it.

    Args:
        app: the application.
        surrogates: the settings of `[cdn]`.
        may_differ: whether code of the user's stands in front of the routes, which may make any answer differ from
            visitor to visitor.
    """

    def __init__(self, app: LayeredFastAPI, surrogates: Surrogates, may_differ: Callable[[], bool]) -> None:
        self._app, self._surrogates, self._may_differ = app, surrogates, may_differ

    def around(self, scope: Scope, send: Send) -> Send:
        """The `send` of a request, around everything.

        Middleware of the user's, if there is any, answers for itself, with two exceptions: an error that has passed
        through it is told here, and so is an answer to which it has added a cookie, a session's for example. That is
        one visitor's, also if it was everybody's further in.
        """
        told = self.inside(scope, send)
        if not starlette_names.known_middleware(self._app):
            return told

        async def telling_outside(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] >= 500:
                    await told(message)
                    return
                message = {**message, "headers": without_sharing_cookies(message.get("headers", ()))}
            await send(message)

        return telling_outside

    def inside(self, scope: Scope, send: Send) -> Send:
        """The `send` of a request, where only answers of FastAPI's, of Millpond's and of the routes pass."""
        invalidated: dict[str, None] = scope.setdefault(INVALIDATED, {})
        outer: object = scope.get("endpoint")  # of a parent in which the application is mounted

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                endpoint = scope.get("endpoint")
                same = self._same_for_all(scope, None if endpoint is outer else endpoint, message["status"])
                message = {**message, "headers": self._headers(scope, message, same, invalidated)}
            await send(message)

        return telling

    def of_configuration(self, scope: Scope, send: Send) -> Send:
        """The `send` of an answer that the configuration gives, in front of everything."""

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                same = SameForAll(_tags(scope))
                headers = told_to_caches(message.get("headers", ()), scope["method"], same, self._surrogates)
                message = {**message, "headers": headers}
            await send(message)

        return telling

    def _headers(
        self, scope: Scope, start: Message, same: SameForAll | None, invalidated: dict[str, None]
    ) -> list[tuple[bytes, bytes]]:
        headers = told_to_caches(start.get("headers", ()), scope["method"], same, self._surrogates)
        if invalidated and scope["method"] not in _SAFE_METHODS and not has(headers, CACHE_GROUP_INVALIDATION):
            headers += group_invalidation(invalidated, self._surrogates)
        return headers

    def _same_for_all(self, scope: Scope, endpoint: object, status: int) -> SameForAll | None:
        """What is known of an answer that nobody's code can make differ; `endpoint`: which has answered, if any has."""
        if scope.get(SAME_FOR_ALL):
            is_same = status < 400
        elif endpoint is None:
            is_same = status == 404 and self._is_plain_404()
        else:
            is_fastapis = getattr(endpoint, "__module__", "").startswith("fastapi.")
            is_same = status == 200 and is_fastapis and endpoint in self._documents()
        return SameForAll(_tags(scope)) if is_same and not self._may_differ() else None

    def _is_plain_404(self) -> bool:
        """Whether no code of the user's makes the answer to a path that nothing has."""
        handlers = self._app.exception_handlers
        return 404 not in handlers and handlers.get(HTTPException) is http_exception_handler

    def _documents(self) -> set[Any]:
        """FastAPI's endpoints for the description of the API, and for the pages that show it."""
        app = self._app
        urls = {app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url} - {None}
        routes = [route for route in known_routes(app.router) if getattr(route, "path", None) in urls]
        return {endpoint for route in routes if (endpoint := getattr(route, "endpoint", None)) is not None}


def _tags(scope: Scope) -> tuple[str, ...]:
    """Those by which `revalidate_path` reaches what is at a path."""
    raw = below_application(scope)
    try:
        path = None if raw is None else canonical(split(raw))
    except MalformedPath:
        path = None
    return (EVERYTHING,) if path is None else own_tags(path, path, path)
