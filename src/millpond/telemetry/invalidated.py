"""Invalidations, as they are told: what was invalidated, and by whom."""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from millpond.telemetry.journal import Origin

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:+/=@-]{1,128}")
"""UUIDs, ULIDs, hashes, trace ids. Any client may send one, so it may be nothing else."""
ASKED_BY = "millpond.asked_by"
"""The key, in the scope of a request from inside, of who asks: "fetch" or "cron"."""


class By(NamedTuple):
    """Who invalidates."""

    origin: Origin
    place: str = ""
    """File and line of the call, where there is one."""
    name: str = ""
    """A person's, or a cron's path."""
    request: str = ""
    """The `X-Request-ID` of the request in which it is done."""
    is_noted: bool = False
    """Whether whoever does it notes it in the journal itself, with more than is known here."""


class ToldInvalidation(NamedTuple):
    """One invalidation that has taken effect."""

    tags: Sequence[str]
    generation: int
    expire_after: float | None
    """Seconds for which older entries may still be served as stale; 0: not at all; None: no limit."""
    by: By


Told: TypeAlias = "Callable[[ToldInvalidation], None]"

_listening: WeakKeyDictionary[object, Told] = WeakKeyDictionary()
_by: ContextVar[By | None] = ContextVar("millpond_invalidated_by", default=None)


def listen(store: object, told: Told) -> None:
    """Be told of the invalidations in a store that this process makes, from any thread."""
    _listening[store] = told


@contextmanager
def invalidated_by(by: By) -> Iterator[None]:
    """Within the block this is who invalidates."""
    token = _by.set(by)
    try:
        yield
    finally:
        _by.reset(token)


def tell_invalidated(store: object, tags: Sequence[str], generation: int, expire_after: float | None) -> None:
    """Tell whoever listens. Where nothing else was said, it is code of the application that invalidates."""
    told = _listening.get(store)
    if told is not None:
        told(ToldInvalidation(tags, generation, expire_after, _by.get() or By("handler")))


def request_id_in(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The `X-Request-ID` of a request; "" where it has none that is one."""
    given = next((value for name, value in headers if name == b"x-request-id"), b"")
    return given.decode("ascii") if REQUEST_ID.fullmatch(given) else ""
