"""An upstream's answer that a handler returns as it got it: `return await fetch(url)`, as in JavaScript."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import httpx2
from fastapi import HTTPException
from starlette.responses import Response, StreamingResponse

from millpond.errors import UsageError
from millpond.policy.http.storing import kept_headers
from millpond.routes.results.decoded import as_decoded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from millpond.errors import Place

log = logging.getLogger("millpond.fetch")

_BODILESS = (204, 205, 304)
_OF_ITS_SERVER = frozenset({b"server"})
"""Ours adds its own."""


def passed_on(upstreams: httpx2.Response, place: Place | None = None) -> Response:
    """Status, body and end-to-end headers of what `fetch` gave (RFC 9110 §7.6.1).

    Left out are the headers of one connection and of one moment (`date`, `age`), the upstream's `server`, and those
    that describe the body as it came, which is decoded here. `Cache-Control`, `Vary` and `Set-Cookie` count as if the
    handler itself had said so: they can make a route live (D5).

    A body that hasn't been read is relayed piece by piece, as it comes.

    Args:
        upstreams: what is passed on.
        place: the handler, for messages.

    Raises:
        UsageError: it was closed before its body was read, or needs a thread to be read.
        HTTPException: 502, where it has a status that no answer can have.
    """
    status = upstreams.status_code
    if not 200 <= status <= 599:
        log.warning("%s answered with the status %d, which can't be passed on: 502", _url_of(upstreams), status)
        raise HTTPException(502)
    response = _with_body(upstreams, place)
    kept = kept_headers(as_decoded(upstreams.headers.raw))
    response.raw_headers.extend(pair for pair in kept if pair[0] not in _OF_ITS_SERVER)
    return response


def _with_body(upstreams: httpx2.Response, place: Place | None) -> Response:
    status = upstreams.status_code
    try:
        return Response(b"" if status in _BODILESS else upstreams.content, status)
    except httpx2.ResponseNotRead:
        if upstreams.is_closed or not isinstance(upstreams.stream, httpx2.AsyncByteStream):
            where = "" if place is None else f"{place}: "
            raise UsageError(
                f"{where}the answer of {_url_of(upstreams)} was closed before its body was read; "
                "open it in a dependency with `yield`, which ends after the answer was sent, await its aread() first, "
                "or return what fetch() gives."
            ) from None
    return StreamingResponse(_relayed(upstreams), status)


async def _relayed(upstreams: httpx2.Response) -> AsyncIterator[bytes]:
    try:
        if upstreams.status_code not in _BODILESS:
            async for piece in upstreams.aiter_bytes():
                yield piece
    finally:
        await upstreams.aclose()


def _url_of(upstreams: httpx2.Response) -> str:
    try:
        url = upstreams.request.url
    except RuntimeError:  # one that nobody asked for
        return "an upstream"
    return redacted(url)


def redacted(url: httpx2.URL) -> str:
    """A URL for messages: without the credentials that it may hold. Some services take a key as the user name."""
    return str(url.copy_with(userinfo=b"") if url.userinfo else url)
