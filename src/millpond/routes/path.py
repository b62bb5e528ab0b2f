"""Request paths as lists of decoded segments, and the one spelling that each list has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

DOT_SEGMENTS = frozenset({".", ".."})
"""Clients take them out of a path, also where they are percent-encoded, and so does Millpond (D42)."""
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SAFE = "!$&'()*+,;=:@"  # with the unreserved characters: all that a segment may hold (RFC 3986 §3.3)
_DELIMITERS = frozenset("/?#%\\")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@]*").fullmatch
_DOTS = re.compile(rb"/(?:\.|%2[Ee]){1,2}(?:/|\Z)")
_EXTENSION = re.compile(r".+\.\w+", re.DOTALL)


class MalformedPath(ValueError):
    """The path isn't percent-encoded UTF-8 text; the answer to it is 400 (R1.32)."""


def split(raw_path: bytes) -> list[str]:
    """The decoded segments of a path as it was sent: `/a%2Fb/c+d/` is `["a/b", "c+d"]` (R1.32).

    Empty segments are none, so that slashes at the end, or doubled ones, don't change what a path means.

    Raises:
        MalformedPath: a bad escape, bytes that aren't UTF-8, or NUL, which no file name or key could hold.
    """
    return [_decode(part) for part in raw_path.split(b"/") if part]


def split_leniently(raw_path: bytes) -> list[str]:
    """As `split`, but of any bytes, to tell which route they were meant for: what can't be decoded becomes U+FFFD."""
    return [unquote_to_bytes(part).decode("utf-8", "replace") for part in raw_path.split(b"/") if part]


def is_deeper(raw_path: bytes, most: int) -> bool:
    """Whether a path as it was sent has more than `most` segments; none is decoded to tell."""
    return raw_path.count(b"/") > most and len(list(filter(None, raw_path.split(b"/")))) > most


def _decode(part: bytes) -> str:
    if b"%" in part:
        if _BAD_ESCAPE.search(part):
            raise MalformedPath(f"a bad percent-escape in {part!r}")
        part = unquote_to_bytes(part)
    try:
        text = part.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedPath(f"{part!r} is not UTF-8") from None
    if "\0" in text:
        raise MalformedPath(f"a NUL in {part!r}")
    return text


def decoded_or_as_it_is(text: str) -> str:
    """A text decoded, if it is percent-encoded; else it is decoded already."""
    try:
        return _decode(text.encode())
    except MalformedPath:
        return text


def canonical(segments: Sequence[str]) -> str:
    """The path of `segments`, encoded; every spelling of one path has the same canonical one (RFC 3986 §6.2.2)."""
    return "/" + "/".join([segment if _UNRESERVED(segment) else quote(segment, safe=_SAFE) for segment in segments])


def readable(segments: Sequence[str]) -> str:
    """The path of `segments` for people: decoded, with delimiters and unprintable characters still escaped (R2.13)."""
    return "/" + "/".join(readable_segment(segment) for segment in segments)


def readable_segment(segment: str) -> str:
    """One segment of `readable`."""
    if _UNRESERVED(segment):
        return segment
    return "".join(
        character if character.isprintable() and character not in _DELIMITERS else quote(character, safe="")
        for character in segment
    )


def dot_redirect(raw_path: bytes) -> str | None:
    """The path that a client is sent to with 308 whose path has `.` or `..` for segments, or None (RFC 3986 §5.2.4).

    Encoded or not, proxies and clients take them away, so what is behind them must not be another path's. An encoded
    slash stays inside its segment: `..%2f..` is one like others. The target is canonical, as that of `slash_redirect`.

    Raises:
        MalformedPath: as `split` does, where there are any.
    """
    if _DOTS.search(raw_path) is None:
        return None
    kept: list[str] = []
    last = ""
    for last in split(raw_path):
        if last == "..":
            del kept[-1:]
        elif last != ".":
            kept.append(last)
    ends_in_slash = raw_path.endswith(b"/") or last in DOT_SEGMENTS
    return canonical(kept) + ("/" if kept and ends_in_slash else "")


def slash_redirect(raw_path: bytes, trailing_slash: bool) -> str | None:
    """The path that a client is sent to with 308, or None when `raw_path` has its slashes right (R1.47).

    The target is canonical, so it has one leading slash and no backslash, and never names another host.

    Raises:
        MalformedPath: as `split` does, where the path must be taken apart to know.
    """
    ends_in_slash = len(raw_path) > 1 and raw_path.endswith(b"/")
    if not ends_in_slash and not trailing_slash and b"//" not in raw_path:
        return None
    segments = split(raw_path)
    wanted = _wants_slash(segments, trailing_slash, ends_in_slash)
    if ends_in_slash == wanted and b"//" not in raw_path:
        return None
    return canonical(segments) + ("/" if wanted else "")


def last_slash(segments: Sequence[str], trailing_slash: bool) -> str:
    """What the path that is asked for ends in, after its segments: a slash, or nothing (R1.47)."""
    return "/" if _wants_slash(segments, trailing_slash, False) else ""


def _wants_slash(segments: Sequence[str], trailing_slash: bool, ends_in_slash: bool) -> bool:
    if not segments or not trailing_slash:
        return False
    if segments[0] == ".well-known":  # the URLs of RFC 8615 are fixed by others
        return ends_in_slash
    return _EXTENSION.fullmatch(segments[-1]) is None
