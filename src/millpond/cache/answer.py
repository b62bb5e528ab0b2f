"""From a render to an entry: check the answer, and announce its codings."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec

from millpond.errors import UnsendableError
from millpond.policy.entry import Entry
from millpond.policy.http.coding import compressible, with_vary
from millpond.policy.http.headers import has, strong_etag
from millpond.policy.http.sendable import BODILESS, fault
from millpond.policy.http.storing import kept_headers, unshareable
from millpond.policy.lifetime import drawn_jitter
from millpond.policy.request.media_types import with_accept_query
from millpond.render.scopes.dynamic_use import DynamicUse, NotStatic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millpond.policy.entry import Coding
    from millpond.render.renderer import Rendered
    from millpond.render.target import Target


log = logging.getLogger("millpond.cache")


def entry_of(
    rendered: Rendered, target: Target, *, rendered_at: float, generation: int, build: str, jitter: float = 0.0
) -> Entry:
    """The entry for a rendered answer, whatever its status.

    Args:
        rendered: the answer.
        target: the route and path that were rendered.
        rendered_at: the start of the render, in seconds since the epoch.
        generation: the store's generation at that time.
        build: the id of the build that is being served.
        jitter: the share of its lifetime by which it may go stale earlier, where the render chose none.

    Raises:
        NotStatic: its headers forbid sharing it between clients (D5).
        UnsendableError: it can't be written as HTTP; see `millpond.policy.http.sendable`.
    """
    place = target.operation.place
    # Check all headers: `Connection` may list Set-Cookie, which drops that from the entry. It still sets a cookie.
    refusal = unshareable((name.lower(), value) for name, value in rendered.headers)
    if refusal is not None:
        raise NotStatic(DynamicUse(refusal, place), unshareable=True)
    variation = target.route.variation
    headers = with_vary(kept_headers(rendered.headers), () if variation is None else variation.vary)
    wrong = fault(rendered.status, headers)
    if wrong is not None:
        raise UnsendableError(f"{place}: the answer of {target.readable} can't be sent: {wrong}.")
    # A copy: msgspec leaves room behind what it has written, up to half of it, which would stay as long as the entry.
    body = b"" if rendered.status in BODILESS else bytes(memoryview(rendered.body))
    if 200 <= rendered.status < 300 and not has(headers, b"etag"):
        headers += ((b"etag", strong_etag(body)),)
    headers = with_accept_query(headers, target.route.accepted_queries)
    return Entry(
        key=target.key,
        status=rendered.status,
        headers=headers,
        body=body,
        rendered_at=rendered_at,
        revalidate=rendered.lifetime.revalidate,
        expire=rendered.lifetime.expire,
        client_stale=rendered.client_stale,
        tags=(*rendered.tags, *target.tags_of_host(rendered.tags), *target.own_tags),
        generation=generation,
        build=build,
        jitter=drawn_jitter(jitter if rendered.jitter is None else rendered.jitter, target.key, rendered_at),
    )


class LostBody(NamedTuple):
    """A body that is left out because the status of its answer allows none."""

    status: int
    size: int
    """Bytes."""

    @classmethod
    def of(cls, rendered: Rendered) -> Self | None:
        """That of an answer, if it has one."""
        return cls(rendered.status, len(rendered.body)) if rendered.status in BODILESS and rendered.body else None

    def warn(self, target: Target, warned: set[str]) -> None:
        """Warn of it, once per route file.

        Args:
            target: the route and path that were rendered.
            warned: the route files that were warned about before; updated here.
        """
        file = target.route.source
        if file in warned:
            return
        warned.add(file)
        log.warning(
            "%s: the answer of %s has the status %d, which allows no body, and a body of %d bytes: it is left out. "
            "Return Response(status_code=%d).",
            target.operation.place,
            target.readable,
            self.status,
            self.size,
            self.status,
        )


def varying(entry: Entry, codings: Sequence[Coding]) -> Entry:
    """The entry with `Vary: Accept-Encoding`, where clients may get it in one of `codings`; otherwise unchanged."""
    if not codings or not compressible(entry.status, entry.headers, len(entry.body)):
        return entry
    return msgspec.structs.replace(entry, headers=with_vary(entry.headers))
