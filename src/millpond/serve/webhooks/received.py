"""One call of an endpoint that invalidates: what is read of it, and how it is answered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from millpond.policy.webhooks.signed_call import SignedCall
from millpond.serve.matching.base_path import sent_path
from millpond.serve.sending import send_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from millpond.errors import StoreError
    from millpond.serve.webhooks.token_bucket import TokenBucket


log = logging.getLogger("millpond.cache")


class RequestRefused(Exception):
    """The answer is an error."""

    def __init__(self, status: int, message: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or []


def refuse_all_but_post(asgi: Scope) -> None:
    """Raises RequestRefused: it isn't a POST."""
    if asgi["method"] != "POST":
        raise RequestRefused(405, "only POST is allowed here", [(b"allow", b"POST")])


def refuse_guesses(failures: TokenBucket) -> None:
    """Raises RequestRefused: there were too many."""
    wait = failures.take()
    if wait:
        raise RequestRefused(429, "too many calls with a wrong secret", [(b"retry-after", b"%d" % (int(wait) + 1))])


def unavailable(path: str, error: StoreError) -> RequestRefused:
    """The answer while the store can't be used: senders try again. What is wrong with it, the log says alone."""
    log.error("%s: %s", path, error)
    return RequestRefused(503, "the store can't invalidate now; try again", [(b"retry-after", b"5")])


async def body_of(receive: Receive, most: int) -> bytes:
    """The body of a request.

    Raises:
        RequestRefused: it has more bytes than `most`, or its client has gone.
    """
    body, more = bytearray(), True  # a list of single bytes would take a hundred times the memory
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestRefused(400, "the request ended before its body")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            raise RequestRefused(413, f"the body is over {most} bytes")
    return bytes(body)


def signed_call(asgi: Scope, body: bytes) -> SignedCall:
    """What schemes sign of a request."""
    headers: dict[str, list[str]] = {}
    for name, value in asgi["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    raw = sent_path(asgi).decode("latin-1")
    query = asgi.get("query_string", b"").decode("latin-1")
    whole = f"{raw}?{query}" if query else raw
    return SignedCall(asgi["method"], (whole, asgi.get("root_path", "") + whole), headers, body)


async def send_answer(send: Send, answer: Mapping[str, object]) -> int:
    """Send the report of a call that did what it should; returns the status."""
    return await _send(send, 200, [], answer)


async def send_refusal(send: Send, refusal: RequestRefused) -> int:
    """Send an error; returns the status."""
    return await _send(send, refusal.status, refusal.headers, {"error": str(refusal)})


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], answer: Mapping[str, object]) -> int:
    always = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send_plain(send, status, [*headers, *always], msgspec.json.encode(answer))
    return status
