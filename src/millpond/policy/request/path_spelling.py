"""How a path is spelled: percent-encodings that the decoded path of a request doesn't show."""

from __future__ import annotations

from urllib.parse import quote, unquote

_SAFE = "/!$&'()*+,;=:@~"


def encoded(path: str) -> bytes:
    """A decoded path, percent-encoded. Surrogates that stand for no byte are malformed in the result, as they are."""
    try:
        given = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        given = path.encode("utf-8", "surrogatepass")
    return quote(given, safe=_SAFE).encode("ascii")


def decoded(raw: bytes) -> str:
    """The `path` that servers make of an encoded one."""
    text = raw.decode("latin-1")
    return unquote(text) if b"%" in raw else text


def spelled(path: str, raw: bytes) -> bytes:
    """The encoded form of a path that was rewritten, spelled as the client did where it is the client's.

    So a prefix that is added, removed or replaced leaves `a%2Fb` the one segment that it was, and what is malformed
    stays malformed. Whole segments of `raw` count: as many as possible at the end, then at the beginning.

    Args:
        path: as it is now, decoded.
        raw: as it was sent, encoded.
    """
    if b"%" not in raw:
        return encoded(path)
    sent = raw.split(b"/")
    end, last = len(path), len(sent)
    while last > 1:
        start = end - len(piece := "/" + decoded(sent[last - 1]))
        if start < 0 or not path.startswith(piece, start):
            break
        end, last = start, last - 1
    begin, first = 0, 1
    while first < last:
        piece = "/" + decoded(sent[first])
        if not path.startswith(piece, begin, end) or path[begin + len(piece) : begin + len(piece) + 1] not in ("", "/"):
            break
        begin, first = begin + len(piece), first + 1
    kept_first = b"".join(b"/" + each for each in sent[1:first])
    kept_last = b"".join(b"/" + each for each in sent[last:])
    return kept_first + encoded(path[begin:end]) + kept_last
