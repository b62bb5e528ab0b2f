"""`[server] ready_path`: answered in front of everything else, so that no middleware, log or counter sees a probe."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from millpond.errors import MillpondError
from millpond.serve.answered import DRAINING, WARMING
from millpond.serve.matching.base_path import OUTSIDE
from millpond.serve.matching.request_path import below_root
from millpond.serve.readiness.readiness import StoreCheck
from millpond.serve.sending import send_plain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from millpond.serve.readiness.readiness import Missing
    from millpond.stores.contract import Store

log = logging.getLogger("millpond.serve")

RETRY_AFTER = 1
"""Seconds after which a probe of a server that isn't ready is worth while."""


class ReadyPath:
    """Answers probes of one path, and passes everything else on.

    Args:
        app: what answers everything else.
        path: where probes are sent, below `root_path`.
        store: the store of what runs in the running event loop, which is started if it isn't.
        check: looks at it.
    """

    def __init__(
        self, app: ASGIApp, path: str, store: Callable[[Scope], Awaitable[Store]], check: StoreCheck | None = None
    ) -> None:
        self._app, self._path, self._suffix, self._store = app, path.encode("ascii"), path, store
        self._check = StoreCheck() if check is None else check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_asked(scope):
            await self._app(scope, receive, send)
            return
        if scope["method"] not in ("GET", "HEAD"):
            await send_plain(send, 405, [(b"allow", b"GET, HEAD"), (b"cache-control", b"no-store")])
            return
        missing = await self._missing(scope)
        facts = {"ready": False, "missing": missing} if missing else {"ready": True}
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        if missing:
            headers.append((b"retry-after", b"%d" % RETRY_AFTER))
        body = msgspec.json.encode(facts)
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": 503 if missing else 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _is_asked(self, scope: Scope) -> bool:
        return scope["path"].endswith(self._suffix) and not scope.get(OUTSIDE) and below_root(scope) == self._path

    async def _missing(self, scope: Scope) -> list[Missing]:
        signs: dict[str, Missing] = {WARMING: "warm", DRAINING: "draining"}
        missing = [sign for key, sign in signs.items() if scope.get(key)]
        try:
            store = await self._store(scope)
        except MillpondError as error:
            log.warning("not ready, as the application can't start: %s", error)
            return [*missing, "started"]
        return missing if await self._check.reaches(store) else [*missing, "store"]
