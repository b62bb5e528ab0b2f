"""Headers that the configuration gives all answers of a path, beside those that an answer has itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.policy.http.headers import CACHING_HEADERS, has
from millpond.policy.http.sendable import fault
from millpond.policy.http.storing import HOP_BY_HOP, says_private

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millpond.policy.entry import Headers

_SERVERS = HOP_BY_HOP | {b"content-length", b"date"}
_ANSWERS = {
    b"age",
    b"allow",
    b"cache-status",
    b"content-encoding",
    b"content-range",
    b"etag",
    b"last-modified",
    b"location",
    b"set-cookie",
    b"x-nextjs-cache",
}
_CORS = b"access-control-"


def not_fixed(name: str, value: str, *, cors: bool) -> str | None:
    """Why no configuration may give all answers this header; None if it may.

    Args:
        name: in any case.
        value: as it is sent.
        cors: whether there is a `[cors]` table.
    """
    if not name.isascii() or not value.isascii():
        return "has a character that isn't ASCII"
    lowered = name.lower().encode("ascii")
    if fault(200, [(lowered, value.encode("ascii"))]) is not None:
        return "isn't a valid header: its name is a word, and its value one line"
    if not value.strip() or value != value.strip():
        return "has an empty value, or one with spaces around it"
    if lowered in _SERVERS:
        return "is set by the server"
    if lowered in _ANSWERS:
        return "differs from answer to answer: set it in the handler"
    if cors and lowered.startswith(_CORS):
        return "is set by [cors]"
    return None


def with_fixed(headers: Iterable[tuple[bytes, bytes]], status: int, fixed: Headers) -> list[tuple[bytes, bytes]]:
    """The headers of an answer with those that are configured: each replaces what the answer has of its name.

    There are two exceptions. `Vary` is added to, as what an answer depends on doesn't change. And headers for caches,
    such as Cache-Control, are left alone in answers that are nobody else's: errors, answers that set a cookie, and
    those that say `private` or `no-store`, as in draft mode.

    Args:
        headers: of the answer; names in any case.
        status: of the answer.
        fixed: the configured ones; names are lower case, each is there once.
    """
    headers = list(headers)
    lowered = [(name.lower(), value) for name, value in headers]
    wanted = dict(fixed)
    if not CACHING_HEADERS.isdisjoint(wanted) and not _may_be_kept(status, lowered):
        wanted = {name: value for name, value in wanted.items() if name not in CACHING_HEADERS}
    if b"vary" in wanted:
        wanted[b"vary"] = _varying([value for name, value in lowered if name == b"vary"], wanted[b"vary"])
    kept = [pair for pair, (name, _) in zip(headers, lowered, strict=True) if name not in wanted]
    return kept + list(wanted.items())


def _may_be_kept(status: int, headers: list[tuple[bytes, bytes]]) -> bool:
    return status < 400 and says_private(headers) is None and not has(headers, b"set-cookie")


def _varying(present: list[bytes], added: bytes) -> bytes:
    known = {part.strip().lower() for value in present for part in value.split(b",")}
    others = [part.strip() for part in added.split(b",") if part.strip().lower() not in known]
    return b", ".join(present if b"*" in known else [*present, *others])
