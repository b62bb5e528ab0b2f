"""Requests as bytes: good ones, odd ones, broken ones, pipelined and in pieces. Equal seeds give equal bytes."""

from __future__ import annotations

import random
from typing import NamedTuple

ETAG = b"@ETAG@"
"""Stands for the validator of the answer that is asked for."""

_SMUGGLED = b"HTTP%2F1.1%20200%20OK%0D%0Acontent-length:%202%0D%0A%0D%0Aon"
"""What a visitor would write behind the head of an answer without a body."""

_TARGETS = (
    [b"/plain"] * 8
    + [b"/long"] * 4
    + [b"/items/1", b"/items/1", b"/items/2", b"/fresh", b"/fresh", b"/live", b"/missing", b"/text", b"/own-head"]
    + [b"/plain?a=1", b"/plain?", b"/plain?a=/../b", b"/plain??", b"/picked?size=1", b"/picked?size=2", b"/picked"]
    + [b"/plain/", b"//plain", b"/plain#x", b"/plain?x#y", b"/%70lain", b"/items/%31", b"/plain%", b"/pl\xc3\xa4in"]
    + [b"http://other.example/plain", b"*", b"plain", b"/items/a%2Fb", b"/plain;v=1", b"/PLAIN", b"/plain\x00", b""]
    + [b"/" + b"a" * 1100, b"/plain?" + b"a" * 1100]
    + [b"/emptied", b"/reset", b"/said/n" + _SMUGGLED, b"/told/n" + _SMUGGLED, b"/told/r" + _SMUGGLED, b"/told/m"]
    + [b"/said/r%0D%0A", b"/said/x%0D%0Aset-cookie:%20a=b", b"/told/x%0Aset-cookie:%20a=b", b"/said/odd", b"/told/odd"]
)
_GOOD_METHODS = [b"GET"] * 14 + [b"HEAD"] * 4 + [b"POST", b"OPTIONS", b"DELETE"]
_BAD_METHODS = [b"get", b"PRI", b"CONNECT", b"G\xc3T", b""]
_BAD_VERSIONS = [b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/1.1 ", b""]
_USUAL = (
    [(b"Accept-Encoding", value) for value in (b"gzip, deflate, br, zstd", b"gzip;q=0.5, br;q=0", b"identity", b"*")]
    + [(b"If-None-Match", value) for value in (ETAG, b"W/" + ETAG, b"*", b'"other", ' + ETAG, b'"other"')]
    + [(b"If-Modified-Since", b"Wed, 01 Jan 2025 00:00:00 GMT"), (b"If-Modified-Since", b"yesterday")]
    + [(b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64)"), (b"Accept", b"*/*"), (b"X-Long", b"x" * 300)]
)
_UNUSUAL = (
    [(b"Cookie", b"a=b"), (b"Cookie", b"__prerender_bypass=guess; a=b"), (b"Authorization", b"Bearer x")]
    + [(b"Range", b"bytes=0-3"), (b"Expect", b"100-continue"), (b"Expect", b"nothing"), (b"If-None-Match", b"\xff")]
    + [(b"Connection", v) for v in (b"close", b"keep-alive", b"Keep-Alive, close", b"upgrade", b"te", b"CLOSE")]
    + [(b"Upgrade", b"websocket"), (b"Upgrade", b"h2c"), (b"TE", b"trailers"), (b"Trailer", b"x")]
    + [(b"X-Longer", b"y" * 2500), (b"Content-Length", b"0")]
)
_BODIES = {
    (b"Content-Length", b"5"): b"hello",
    (b"Transfer-Encoding", b"chunked"): b"5\r\nhello\r\n0\r\n\r\n",
    (b"Transfer-Encoding", b"Chunked"): b"2\r\nhi\r\n0\r\nx: y\r\n\r\n",
    (b"transfer-encoding", b"chunked"): b"2;a=b\r\nhi\r\n0\r\nIf-None-Match: *\r\nAuthorization: Bearer x\r\n\r\n",
}
_BROKEN_BODIES = [
    *(b"ZZ\r\n", b"0x2\r\nhi\r\n0\r\n\r\n", b"-2\r\nhi\r\n", b"2\r\nhiX\r\n0\r\n\r\n", b"2\nhi\n0\n\n", b"\r\n"),
    *(b"2\r\nhi\r\nZZ\r\n", b"F" * 18 + b"\r\n", b"2\r\nhi\r\n0\r\nbroken\r\n\r\n", b"2 \r\nhi\r\n", b"2\r\nh"),
    *(b"0\r\n" + b"t: u\r\n" * 300 + b"\r\n", b"2;" + b"e" * 5000 + b"\r\nhi\r\n0\r\n\r\n"),
]
_BROKEN = (
    [(b"Content-Length", v) for v in (b"+5", b"5, 5", b"-1", b"99999999999999999999", b"0x5", b"")]
    + [(b"Transfer-Encoding", v) for v in (b"identity", b"xchunked", b"chunked, gzip", b"\x0bchunked")]
    + [(b"X Space", b"1"), (b"X-Space ", b"1"), (b"", b"1"), (b"X-Control", b"a\x01b"), (b"Host", b"second.example")]
    + [(b"X-Fold", b"a\r\n b"), (b"X-Bare", b"a\nb: c"), (b"X-Return", b"a\rb"), *_BODIES]
)
_ENDS = [b"\r\n"] * 6 + [b"\n", b"\r", b"\r\r\n", b" \r\n"]
_STRAY = [b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"\r\n", b"X"]


class Script(NamedTuple):
    """What one client sends: `pieces`, each by itself."""

    pieces: list[bytes]
    requests: int
    """How many it was meant to be."""


def script(seed: int) -> Script:
    """One connection's worth of requests: a third are plain, a third unusual, and a third have something broken."""
    chance = random.Random(seed)
    number = chance.choice((1, 1, 1, 2, 3, 5))
    kind = chance.random()
    requests = [_request(chance, unusual=kind > 0.3) for _ in range(number)]
    if kind < 0.15:  # the same again, as clients do
        requests = requests[:1] * number
    if kind > 0.65:
        requests[chance.randrange(number)] = _broken(chance)
    whole = b"".join(requests)
    if kind > 0.85:
        whole = _damaged(chance, whole)
    return Script(_split(chance, requests, whole), number)


def _request(chance: random.Random, *, unusual: bool) -> bytes:
    """One that is well formed."""
    headers = [(b"Host", b"shop.example"), *chance.sample(_USUAL, chance.randint(0, 3))]
    if not unusual:
        return _written(chance.choice((b"GET", b"GET", b"HEAD")), chance.choice(_TARGETS[:24]), headers)
    headers += chance.sample(_UNUSUAL, chance.randint(0, 2))
    body = b""
    if chance.random() < 0.2:
        header, body = chance.choice(list(_BODIES.items()))
        headers.append(header)
    version = b"HTTP/1.0" if chance.random() < 0.1 else b"HTTP/1.1"
    return _written(chance.choice(_GOOD_METHODS), chance.choice(_TARGETS), headers, body, version=version)


def _broken(chance: random.Random) -> bytes:
    """One with something wrong in it."""
    headers = [(b"Host", b"shop.example"), *chance.sample(_USUAL + _UNUSUAL, chance.randint(0, 2))]
    method, version, end, stray = b"GET", b"HTTP/1.1", b"\r\n", b""
    match chance.randrange(6):
        case 5:
            method = chance.choice((b"POST", b"POST", b"GET"))
            headers.append((b"Transfer-Encoding", b"chunked"))
            stray = chance.choice(_BROKEN_BODIES)
        case 4:
            headers = headers[1:]
        case 0:
            method = chance.choice(_BAD_METHODS)
        case 1:
            version = chance.choice(_BAD_VERSIONS)
        case 2:
            headers += chance.sample(_BROKEN, chance.randint(1, 2))
            stray = chance.choice(_STRAY)
        case 3:
            end = chance.choice(_ENDS)
        case _:
            stray = chance.choice(_STRAY)
    return _written(method, chance.choice(_TARGETS), headers, stray, version=version, end=end)


def _written(
    method: bytes,
    target: bytes,
    headers: list[tuple[bytes, bytes]],
    body: bytes = b"",
    *,
    version: bytes = b"HTTP/1.1",
    end: bytes = b"\r\n",
) -> bytes:
    line = b" ".join((method, target, version))
    return end.join((line, *(name + b": " + value for name, value in headers), b"", body))


def _damaged(chance: random.Random, whole: bytes) -> bytes:
    damaged = bytearray(whole)
    for _ in range(chance.randint(1, 3)):
        position = chance.randrange(len(damaged) + 1)
        kind = chance.random()
        if kind < 0.4 and position < len(damaged):
            damaged[position] = chance.choice((0, 9, 10, 13, 32, 58, 255, chance.randrange(256)))
        elif kind < 0.7:
            damaged[position:position] = chance.choice(
                (b"\r\n", b"\n", b"\0", b" ", b":", b"\r\n\r\n", b"GET / HTTP/1.1\r\n")
            )
        else:
            del damaged[position : position + chance.randint(1, 5)]
    return bytes(damaged)


def _split(chance: random.Random, requests: list[bytes], whole: bytes) -> list[bytes]:
    kind = chance.random()
    if kind < 0.35:
        return [whole]
    if kind < 0.6 and b"".join(requests) == whole:
        return requests
    if kind < 0.65 and len(whole) < 400:
        return [whole[at : at + 1] for at in range(len(whole))]
    cuts = sorted(chance.randrange(len(whole) + 1) for _ in range(chance.randint(1, 4)))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True) if start < end]
