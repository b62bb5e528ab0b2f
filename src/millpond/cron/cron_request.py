"""A cron's request: GET of a route, in process, below the middleware that visitors' requests go through."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from millpond.cron.secret import authorization
from millpond.policy.http.headers import has
from millpond.render.renderer import SERVER
from millpond.routes.path import slash_redirect

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

    from millpond.config import Config

NAME_HEADER = "x-millpond-cron"
"""The schedule of the cron. Anybody can send this header; the secret is in Authorization."""

_SAFE = "/%!$&'()*+,;=:@~"


class AnsweredFromCache(Exception):
    """The answer came from the cache, so no handler ran: the route is static in the served build."""


async def send_cron_request(app: ASGIApp, config: Config, path: str, schedule: str) -> int:
    """Send a GET of `path` to `app`; returns the status, and drops the body.

    Raises:
        AnsweredFromCache: it was answered from the cache.
        MalformedPath: as `slash_redirect` does.
        Exception: whatever the application raises; handlers' errors are a 500.
    """
    status = 500
    cached = is_sent = False

    async def receive() -> Message:
        nonlocal is_sent
        if is_sent:
            await asyncio.Event().wait()  # there is no client that disconnects
        is_sent = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, cached
        if message["type"] == "http.response.start":
            status = message["status"]
            cached = has(message.get("headers", ()), b"x-nextjs-cache")

    await app(_scope(config, path, schedule), receive, send)
    if cached:
        raise AnsweredFromCache
    return status


def _scope(config: Config, path: str, schedule: str) -> Scope:
    """The ASGI scope, as a server would make it."""
    encoded = quote(path, safe=_SAFE)
    encoded = slash_redirect(encoded.encode("ascii"), config.trailing_slash) or encoded
    raw_path = quote(config.base_path, safe=_SAFE) + encoded
    headers = {
        "host": SERVER[0],
        "authorization": authorization(),
        "user-agent": "millpond-cron",
        NAME_HEADER: schedule,
    }
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode("ascii"),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()],
        "client": None,
        "server": SERVER,
        "state": {},
    }
