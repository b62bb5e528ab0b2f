"""The cookies that a handler sets through `cookies()` and `draft_mode()`, until its answer exists (R13.1 to R13.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.responses import Response


class SetCookies:
    """Set-Cookie values for one answer, and the values that later reads of the same request see."""

    __slots__ = ("_headers", "written")

    def __init__(self) -> None:
        self._headers: list[str] = []
        self.written: dict[str, str | None] = {}
        """By name; None for a cookie that was deleted."""

    def add(self, set_cookie: str) -> None:
        """Add a Set-Cookie value; it replaces an earlier one with the same name, path and domain."""
        identity = _identity(set_cookie)
        self._headers = [former for former in self._headers if _identity(former) != identity]
        self._headers.append(set_cookie)

    def apply(self, response: Response) -> None:
        """Put them before the response's own cookies, which win on equal names (R13.3)."""
        if not self._headers:
            return
        own = {_name(value) for key, value in response.raw_headers if key == b"set-cookie"}
        added = [(b"set-cookie", value.encode("latin-1")) for value in self._headers]
        response.raw_headers[:0] = [(key, value) for key, value in added if _name(value) not in own]


def _name(set_cookie: bytes) -> bytes:
    return set_cookie.partition(b"=")[0].strip()


def _identity(set_cookie: str) -> tuple[str, ...]:
    """Name, path and domain: what a client tells cookies apart by (RFC 6265 §5.3)."""
    pair, *attributes = (part.strip() for part in set_cookie.split(";"))
    where = sorted(part.lower() for part in attributes if part.lower().startswith(("path=", "domain=")))
    return (pair.partition("=")[0], *where)
