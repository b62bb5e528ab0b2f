"""The content of a QUERY, as part of the key of its answer (RFC 10008 §2.7)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from millpond.policy.request.media_types import MediaType

_PIECES = re.compile(rb'"(?:[^"\\]|\\.)*"|[^\s"]+')
"""Strings of a JSON text, and what stands between white space outside of them."""


@dataclass(frozen=True)
class QueryContent:
    """What a QUERY asks for. Its render gets this and nothing else, so equal contents have equal answers."""

    content_type: str
    body: bytes

    @classmethod
    def of(cls, kind: MediaType, body: bytes) -> QueryContent:
        """The content of a request, in a form in which contents that mean the same are equal.

        Of JSON, white space between its parts is left out. All else stays: numbers as they are written, names that
        occur twice, and the order of names, by which some query languages sort.

        Args:
            kind: its media type.
            body: as it was sent.
        """
        is_text = kind.is_json and kind.charset in (None, "utf-8")
        return cls(str(kind), _compact(body) if is_text else body)

    @cached_property
    def digest(self) -> str:
        """In hex; contents of the same digest are the same."""
        found = blake2b(digest_size=20)
        for part in (self.content_type.encode("latin-1"), self.body):
            found.update(len(part).to_bytes(8, "big"))
            found.update(part)
        return found.hexdigest()

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Those of the request that its render gets."""
        return [
            (b"content-type", self.content_type.encode("latin-1")),
            (b"content-length", b"%d" % len(self.body)),
        ]


def _compact(body: bytes) -> bytes:
    """A JSON text without white space between its parts; anything else as it is."""
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return body
    return b"".join(_PIECES.findall(body))
