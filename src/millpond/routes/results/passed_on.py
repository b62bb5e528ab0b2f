"""An upstream's answer that a handler returns as it got it: `return await fetch(url)`, as in JavaScript."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import httpx2
from fastapi import HTTPException
from starlette.responses import Response

from millpond.errors import UsageError
from millpond.policy.http.storing import kept_headers
from millpond.routes.results.decoded import as_decoded

if TYPE_CHECKING:
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

    Args:
        upstreams: what is passed on; its body has been read.
        place: the handler, for messages.

    Raises:
        UsageError: the body hasn't been read.
        HTTPException: 502, where it has a status that no answer can have.
    """
    try:
        body = upstreams.content
    except httpx2.ResponseNotRead:
        where = "" if place is None else f"{place}: "
        raise UsageError(
            f"{where}the answer of {_url_of(upstreams)} is passed on before its body was read; "
            "await its aread() first, or return what fetch() gives."
        ) from None
    status = upstreams.status_code
    if not 200 <= status <= 599:
        log.warning("%s answered with the status %d, which can't be passed on: 502", _url_of(upstreams), status)
        raise HTTPException(502)
    response = Response(b"" if status in _BODILESS else body, status)
    kept = kept_headers(as_decoded(upstreams.headers.raw))
    response.raw_headers.extend(pair for pair in kept if pair[0] not in _OF_ITS_SERVER)
    return response


def _url_of(upstreams: httpx2.Response) -> str:
    try:
        url = upstreams.request.url
    except RuntimeError:  # one that nobody asked for
        return "an upstream"
    return redacted(url)


def redacted(url: httpx2.URL) -> str:
    """A URL for messages: without the password that it may hold."""
    return str(url.copy_with(password=None) if url.password else url)
