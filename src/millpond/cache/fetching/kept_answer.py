"""An upstream's answer as an entry of the data cache, and what the caller of fetch() gets of it (R5.12)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import httpx2

from millpond.cache.fetching.upstream import whole_answer
from millpond.policy.entry import Came, Hop

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.policy.entry import Entry, Headers

_OF_ONE_CALLER = frozenset({b"set-cookie", b"set-cookie2"})  # a stored answer serves other callers, too


def shareable(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers that may be stored, with lower-case names."""
    lowered = ((name.lower(), value) for name, value in headers)
    return tuple(pair for pair in lowered if pair[0] not in _OF_ONE_CALLER)


def way_of(answer: httpx2.Response) -> Came:
    """How an answer came: its redirects are kept without their bodies."""
    seconds = answer.elapsed.total_seconds()
    is_usual = answer.charset_encoding is not None or answer.default_encoding == "utf-8"
    encoding = "" if is_usual else answer.encoding or ""
    if not answer.history:
        return Came(seconds, encoding=encoding)
    hops = tuple(
        Hop(
            hop.request.method,
            str(hop.request.url),
            hop.status_code,
            shareable(hop.headers.raw),
            hop.elapsed.total_seconds(),
        )
        for hop in answer.history
    )
    return Came(seconds, answer.request.method, str(answer.request.url), hops, encoding)


def answer_of(entry: Entry, request: httpx2.Request) -> httpx2.Response:
    """The answer for the caller whose request is `request`, as it came: with the last URL, and the redirects to it."""
    came = entry.came or Came(0)
    last = httpx2.Request(came.method, came.url) if came.hops else request
    answer = whole_answer(entry.status, entry.headers, entry.body, last)
    answer.elapsed = timedelta(seconds=came.seconds)
    answer.default_encoding = came.encoding or "utf-8"
    answer.history = [_redirect(hop, request if hop is came.hops[0] else None) for hop in came.hops]
    return answer


def _redirect(hop: Hop, request: httpx2.Request | None) -> httpx2.Response:
    sent = httpx2.Request(hop.method, hop.url) if request is None else request
    answer = whole_answer(hop.status, hop.headers, b"", sent)
    answer.elapsed = timedelta(seconds=hop.seconds)
    return answer
