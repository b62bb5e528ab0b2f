"""Requests with the method QUERY: what they must have, and those whose answers are stored (RFC 10008)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from starlette.exceptions import HTTPException

from millpond.policy.key import canonical_query
from millpond.policy.request.media_types import InvalidMediaType, accept_query, media_type
from millpond.policy.request.query_content import QueryContent
from millpond.render.candidacy import query_candidacy

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope

    from millpond.policy.request.media_types import MediaType
    from millpond.render.target import Target
    from millpond.routes.route_contract import Operation, Route

QUERY = "QUERY"


class ClientGone(Exception):
    """The client has gone before the whole body had come."""


class Query(NamedTuple):
    """A request whose answer is stored."""

    target: Target
    receive: Receive
    """Receives the body once more, for a live run."""


@dataclass(frozen=True, slots=True)
class Queries:
    """Tells which requests with QUERY can be answered from the cache.

    Args:
        max_bytes: the largest body that is part of a key.
        is_on: whether any answers are stored: not in development.
    """

    max_bytes: int
    is_on: bool = True
    _stored: dict[str, bool] = field(default_factory=dict)
    """By the origins of routes: whether answers to QUERY are."""

    async def asked(
        self, target: Target, operation: Operation, asgi: Scope, receive: Receive, *, bypasses: bool
    ) -> Query | None:
        """The target with the content of a request; None: it is answered live.

        A body that can't be part of a key makes the answer live: one whose boundary is another one each time, and one
        in a content coding, which the handler would have to know.

        Args:
            target: the path.
            operation: what answers it.
            asgi: the request's scope.
            receive: receives its body.
            bypasses: whether the answer is live in any case.

        Raises:
            HTTPException: 400: Content-Type is missing or no media type; 415: the handler declares others (RFC 10008
                §2); 413: the body is larger than is stored.
            ClientGone: the client has gone.
        """
        kind = _checked(operation, asgi)
        if bypasses or not self.stores(target.route):
            return None
        if kind.is_multipart or any(name == b"content-encoding" for name, _ in asgi["headers"]):
            return None
        body = await self._body(asgi, receive)
        # A target that was remembered for its path has the query of another request.
        query = canonical_query(target.route.cache_query, asgi.get("query_string", b""))
        return Query(
            dataclasses.replace(target, query=query, content=QueryContent.of(kind, body)), _again(body, receive)
        )

    def stores(self, route: Route) -> bool:
        """Whether answers to a route's QUERY are stored."""
        if not self.is_on:
            return False
        known = self._stored.get(route.origin)
        if known is None:
            known = self._stored[route.origin] = query_candidacy(route).static
        return known

    async def _body(self, asgi: Scope, receive: Receive) -> bytes:
        declared = next((value for name, value in asgi["headers"] if name == b"content-length"), b"0")
        if declared.isdigit() and int(declared) > self.max_bytes:
            raise self._too_large()
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientGone
            parts.append(message.get("body", b""))
            size, more = size + len(parts[-1]), message.get("more_body", False)
            if size > self.max_bytes:
                raise self._too_large()
        return b"".join(parts)

    def _too_large(self) -> HTTPException:
        return HTTPException(
            413, f"The content of a QUERY may have {self.max_bytes} bytes here (cache.max_query_body_bytes)."
        )


def _checked(operation: Operation, asgi: Scope) -> MediaType:
    """The media type of a request. Raises HTTPException: it has none, or one that the handler doesn't take."""
    told = {"accept-query": accept_query(operation.accepted).decode("ascii")} if operation.accepted else None
    try:
        kind = media_type([value for name, value in asgi["headers"] if name == b"content-type"])
    except InvalidMediaType as error:
        raise HTTPException(400, f"{error}; a QUERY must say what its content is.", told) from None
    if not kind.is_one_of(operation.accepted):
        raise HTTPException(415, f"{kind.name} isn't taken; {' or '.join(operation.accepted)} is.", told)
    return kind


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the whole body first."""
    is_sent = False

    async def received() -> Message:
        nonlocal is_sent
        if is_sent:
            return await receive()
        is_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return received
