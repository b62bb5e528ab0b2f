"""Whether a head means one thing to every server on the way: host, transfer coding, form of the target (RFC 9112).

llhttp has refused what isn't HTTP. What is left are heads that it accepts, and that a proxy may understand in another
way.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import httptools

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Headers = Sequence[tuple[bytes, bytes]]

_HOST = re.compile(
    rb"(?:\[(?:[0-9A-Fa-f:.]+|v[0-9A-Fa-f]+\.[\w.~!$&'()*+,;=:-]+)\]"  # an IPv6 address, or one of a later version
    rb"|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)"
    rb"(?::[0-9]{0,5})?"
)
"""uri-host, not empty, and a port (RFC 3986 §3.2.2, RFC 9110 §7.2)."""
_MAX_HOST_BYTES = 300
"""A name of the DNS has 253 bytes."""
NO_TRAILERS = frozenset({b"connection", b"content-length", b"proxy-connection", b"transfer-encoding", b"upgrade"})
"""What must stand in the head, as it says how the message or its connection ends (RFC 9110 §6.5.1)."""
_SCHEMES = frozenset({b"http", b"https"})


def is_host(value: bytes) -> bool:
    """Whether `value` may be that of a Host header."""
    return len(value) <= _MAX_HOST_BYTES and _is_uri_host(value)


@lru_cache(maxsize=1024)
def _is_uri_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def refusal(method: bytes, version: str, target: bytes, headers: Headers) -> int | None:
    """The status with which a head is refused, and its connection closed; None for a valid one.

    Args:
        method: as it was sent.
        version: `"1.1"`, say.
        target: of the request line.
        headers: with names in lower case.
    """
    if version not in ("1.0", "1.1"):
        return 505  # llhttp accepts 0.9 and 2.0, too
    if method == b"CONNECT":
        return 501  # its client takes what follows for a tunnel
    hosts, is_coded = 0, False
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if hosts > 1 or not is_host(value):
                return 400  # RFC 9112 §3.2
        elif name == b"transfer-encoding":
            is_coded = True
    if not hosts and version == "1.1":
        return 400
    if not target.startswith(b"/") and not (target == b"*" and method == b"OPTIONS") and origin_form(target) is None:
        return 400
    return _coding_refusal(version, headers) if is_coded else None


def _coding_refusal(version: str, headers: Headers) -> int | None:
    """RFC 9112 §6.1: unless `chunked` is the last coding, the body's end isn't known."""
    codings = [value.strip(b" \t").lower() for name, value in headers if name == b"transfer-encoding"]
    if version == "1.0" or any(name == b"content-length" for name, _ in headers):
        return 400
    if codings == [b"chunked"]:
        return None
    listed = [each.strip(b" \t") for each in b",".join(codings).split(b",")]
    return 501 if listed[-1] == b"chunked" and b"chunked" not in listed[:-1] else 400


def length_of(headers: Headers) -> int:
    """The declared length of the body; 0 without one. llhttp has checked that it is one number."""
    return next((int(value) for name, value in headers if name == b"content-length"), 0)


def origin_form(target: bytes) -> tuple[bytes, bytes] | None:
    """Authority, and path with query, of a target in absolute form (RFC 9112 §3.2.2); None where it is none.

    The authority replaces the Host header.
    """
    try:
        url: Any = httptools.parse_url(target)  # its types say that each part is there
    except httptools.HttpParserInvalidURLError:
        return None
    if (url.schema or b"").lower() not in _SCHEMES or url.host is None or url.userinfo is not None:
        return None
    host = b"[%b]" % url.host if b":" in url.host else url.host
    authority = host if url.port is None else b"%b:%d" % (host, url.port)
    if not is_host(authority):
        return None
    return authority, (url.path or b"/") + (b"" if url.query is None else b"?" + url.query)


def with_host(headers: Iterable[tuple[bytes, bytes]], authority: bytes) -> list[tuple[bytes, bytes]]:
    """`headers` with another Host."""
    return [(b"host", authority), *(pair for pair in headers if pair[0] != b"host")]


def without_upgrade(method: bytes, version: str, target: bytes, headers: Headers) -> bytes:
    """The head again, without the protocols that its client offers (RFC 9110 §7.8: a server may ignore that)."""
    line = b"%b %b HTTP/%b\r\n" % (method, target, version.encode("ascii"))
    kept = [b"%b: %b\r\n" % pair for pair in headers if pair[0] != b"upgrade"]
    return b"".join((line, *kept, b"\r\n"))
