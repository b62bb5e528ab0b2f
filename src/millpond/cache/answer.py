"""From a render to an entry: check the answer, and make or announce its codings."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec

from millpond.cache.coding.compression import compress
from millpond.errors import UnsendableError
from millpond.policy.entry import CompressedBody, Entry
from millpond.policy.http.coding import compressible, with_vary
from millpond.policy.http.headers import has, strong_etag
from millpond.policy.http.sendable import BODILESS, fault
from millpond.policy.http.storing import kept_headers, unshareable
from millpond.render.scopes.dynamic_use import DynamicUse, NotStatic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millpond.policy.entry import Coding
    from millpond.render.renderer import Rendered
    from millpond.render.target import Target


log = logging.getLogger("millpond.cache")


def entry_of(rendered: Rendered, target: Target, *, rendered_at: float, generation: int, build: str) -> Entry:
    """The entry for a rendered answer, whatever its status.

    Args:
        rendered: the answer.
        target: the route and path that were rendered.
        rendered_at: the start of the render, in seconds since the epoch.
        generation: the store's generation at that time.
        build: the id of the build that is being served.

    Raises:
        NotStatic: its headers forbid sharing it between clients (D5).
        UnsendableError: it can't be written as HTTP; see `millpond.policy.http.sendable`.
    """
    place = target.route.operations["GET"].place
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
    return Entry(
        key=target.key,
        status=rendered.status,
        headers=headers,
        body=body,
        rendered_at=rendered_at,
        revalidate=rendered.lifetime.revalidate,
        expire=rendered.lifetime.expire,
        tags=(*rendered.tags, *target.tags_of_host(rendered.tags), *target.own_tags),
        generation=generation,
        build=build,
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
            target.route.operations["GET"].place,
            target.readable,
            self.status,
            self.size,
            self.status,
        )


def compressed(entry: Entry, codings: Sequence[Coding]) -> Entry:
    """The entry with its body in each of `codings` that saves enough, smallest first; unchanged if none does.

    For builds, which have the time. What is rendered while serving is compressed when a client asks for it: see
    `millpond.cache.coding.coded_bodies`.
    """
    if not codings or not compressible(entry.status, entry.headers, len(entry.body)):
        return entry
    made = ((coding, compress(entry.body, coding)) for coding in codings)
    worthwhile = sorted(
        (CompressedBody(coding, body) for coding, body in made if body), key=lambda each: len(each.body)
    )
    if not worthwhile:
        return entry
    return msgspec.structs.replace(entry, compressed=tuple(worthwhile), headers=with_vary(entry.headers))


def varying(entry: Entry, codings: Sequence[Coding]) -> Entry:
    """The entry with `Vary: Accept-Encoding`, where clients may get it in one of `codings`; otherwise unchanged."""
    if not codings or not compressible(entry.status, entry.headers, len(entry.body)):
        return entry
    return msgspec.structs.replace(entry, headers=with_vary(entry.headers))
