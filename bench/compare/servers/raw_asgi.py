"""The floor of ASGI: a constant answer, with the headers of a hit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

BODY = Path(os.environ["BENCH_BODY"]).read_bytes()
HEADERS = [
    (b"x-one", b"1"),
    (b"x-two", b"2"),
    (b"content-type", b"application/json"),
    (b"etag", b'"0123456789abcdef0123456789abcdef"'),
    (b"vary", b"accept-encoding"),
    (b"cache-control", b"s-maxage=31536000"),
    (b"age", b"3"),
    (b"cache-status", b"Millpond; hit; detail=fresh"),
    (b"x-nextjs-cache", b"HIT"),
    (b"content-length", b"%d" % len(BODY)),
]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})
