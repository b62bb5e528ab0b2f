"""`[metrics] path`: what all workers have counted, for Prometheus."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from millpond.serve.sending import send_plain
from millpond.telemetry.prometheus_text import prometheus_text

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from millpond.telemetry.counting import Counting


class MetricsEndpoint:
    """Answers GET and HEAD with the metrics.

    Args:
        counting: of the application.
        secret: what Prometheus sends as `Authorization: Bearer …`; None: anybody may read them.
    """

    def __init__(self, counting: Counting, secret: bytes | None) -> None:
        self._counting, self._secret = counting, secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer: 200 with the metrics; 401 without the right secret, 405 for other methods."""
        del receive
        headers = [(b"cache-control", b"no-store")]
        if scope["method"] not in ("GET", "HEAD"):
            await send_plain(send, 405, [*headers, (b"allow", b"GET, HEAD")])
            return
        given = dict(reversed(scope["headers"]))
        if self._secret is not None and not self._is_right(given.get(b"authorization", b"")):
            await send_plain(send, 401, [*headers, (b"www-authenticate", b"Bearer")])
            return
        body, kind = prometheus_text(self._counting.totals(), given.get(b"accept", b"").decode("latin-1"))
        headers += [(b"content-type", kind.encode("latin-1")), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _is_right(self, authorization: bytes) -> bool:
        scheme, _, secret = authorization.partition(b" ")
        return hmac.compare_digest(secret.strip(), self._secret or b"") and scheme.lower() == b"bearer"
