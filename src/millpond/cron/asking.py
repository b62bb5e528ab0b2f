"""A cron's request: GET of a route, in process, through all that a visitor's request goes through."""

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
"""Says which cron it is: its schedule. Anybody can send it; the secret is in Authorization."""

_SAFE = "/%!$&'()*+,;=:@~"


class NotRun(Exception):
    """The answer came from the cache, so no handler ran: the route is static by the build that is served."""


async def ask(app: ASGIApp, config: Config, path: str, schedule: str) -> int:
    """The status of the answer; its body is thrown away as it comes.

    Raises:
        NotRun: it was answered from the cache.
        MalformedPath: as `slash_redirect` does.
        Exception: whatever middleware in front of the application raises; handlers' errors are a 500.
    """
    status = 500
    cached = asked = False

    async def receive() -> Message:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()  # nobody goes away: whoever listens for that is cancelled at the end
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, cached
        if message["type"] == "http.response.start":
            status = message["status"]
            cached = has(message.get("headers", ()), b"x-nextjs-cache")

    await app(_scope(config, path, schedule), receive, send)
    if cached:
        raise NotRun
    return status


def _scope(config: Config, path: str, schedule: str) -> Scope:
    """The request, as a server would hand it over."""
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
