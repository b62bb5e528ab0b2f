"""Compression dictionaries: an answer that a client holds, by which a later one is compressed (RFC 9842)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from millpond.policy.key import data_key

if TYPE_CHECKING:
    from millpond.policy.entry import Headers

DCZ = "dcz"
"""The content coding: Zstandard with a dictionary (RFC 9842 §5)."""
_MAGIC = bytes((0x5E, 0x2A, 0x4D, 0x18, 0x20, 0, 0, 0))
"""Before the digest of the dictionary, it makes a frame that other decoders skip."""
DIGEST_BYTES = 32
"""Of SHA-256, by which client and server name a dictionary."""
USE, AVAILABLE = b"use-as-dictionary", b"available-dictionary"
MAX_AVAILABLE = 100
"""Bytes of Available-Dictionary; a longer value is ignored."""

_ITEM = re.compile(rb"[ ]*:([A-Za-z0-9+/]{43}=):[ ]*(?:;.*)?")
"""A byte sequence of 32 bytes, and parameters, none of which is defined (RFC 9651 §3.3.5)."""
_SYNTAX = re.compile(r"([:*?+(){}\\])")
"""What has a meaning in a URL pattern."""


def pattern_for(path: str) -> str:
    """The URL pattern that matches an encoded path alone, with any query."""
    return _SYNTAX.sub(r"\\\1", path)


def use_header(pattern: str) -> tuple[bytes, bytes]:
    """The header that says of an answer: keep this for requests whose path matches a URL pattern (RFC 9842 §2.1)."""
    quoted = pattern.replace("\\", "\\\\").replace('"', '\\"')
    return USE, f'match="{quoted}"'.encode("ascii")


def use_of(headers: Headers) -> bytes | None:
    """For which paths an answer says that clients keep it as a dictionary; None if it doesn't say that."""
    return next((value for name, value in headers if name == USE), None)


def varies_by_dictionary(headers: Headers) -> bool:
    """Whether caches are told that an answer depends on the dictionary that a client has."""
    return any(name == b"vary" and AVAILABLE in value.lower() for name, value in headers)


def digest_in(available: bytes) -> bytes | None:
    """The digest in the value of Available-Dictionary (RFC 9842 §2.2); None if there is none, or it is malformed."""
    found = _ITEM.fullmatch(available)
    if found is None:
        return None
    try:
        return base64.b64decode(found[1], validate=True)
    except binascii.Error:  # bits after the last byte that aren't zero
        return None


def framed(digest: bytes, compressed: bytes) -> bytes:
    """A body in the coding `dcz` (RFC 9842 §5).

    Args:
        digest: of the dictionary.
        compressed: a Zstandard frame that was made with it.
    """
    return _MAGIC + digest + compressed


def dictionary_key(digest: bytes, use: bytes) -> str:
    """The key under which a store has a dictionary.

    Answers are compressed by those of the same `use` alone. Otherwise, whoever guesses an answer that only others may
    see would learn from any answer that the guess is right: it would be compressed by it.

    Args:
        digest: of the dictionary.
        use: what `use_of` gives for it.
    """
    return data_key("dictionary", digest, use)
