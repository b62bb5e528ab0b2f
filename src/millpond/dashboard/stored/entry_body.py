"""A preview of a body: a text is shown as it is, up to a limit; everything else as its type and size."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from millpond.render.failures.masking import masked

if TYPE_CHECKING:
    from millpond.policy.entry import Entry

MOST_BYTES = 4096
_TEXTS = ("application/json", "application/javascript", "application/xml", "application/x-www-form-urlencoded")
_HIDDEN = ("set-cookie", "cookie", "auth", "token", "secret", "api-key", "apikey", "password", "session")
"""In names of headers whose values aren't shown."""


class BodyPreview(NamedTuple):
    """What a page shows of a body."""

    kind: str
    """Its media type."""
    size: int
    """Bytes."""
    text: str | None
    """None: it isn't a text, or mustn't be shown."""
    is_cut: bool


def preview_of(entry: Entry, *, visible: bool) -> BodyPreview:
    """The preview of an entry's body; its text only where bodies are `visible`."""
    kind = _content_type(entry)
    media = kind.partition(";")[0].strip().lower()
    is_text = media.startswith("text/") or media in _TEXTS or media.endswith(("+json", "+xml"))
    encoded = any(name.lower() == b"content-encoding" for name, _ in entry.headers)
    text = None
    if visible and is_text and not encoded and entry.kind in ("response", "fetch"):
        # More than is shown: what is masked may lie across the limit.
        whole = entry.body[: 4 * MOST_BYTES].decode(_charset(kind), "replace")
        text = masked(whole, os.environ)[:MOST_BYTES]
    return BodyPreview(media or "no type", len(entry.body), text, len(entry.body) > MOST_BYTES)


def shown_headers(entry: Entry) -> list[tuple[str, str]]:
    """Names and values; values that may let somebody in are left out."""
    shown: list[tuple[str, str]] = []
    for name, value in entry.headers:
        label = name.decode("latin-1")
        hidden = any(part in label.lower() for part in _HIDDEN)
        shown.append((label, "(not shown)" if hidden else masked(value.decode("latin-1"), os.environ)))
    return shown


def _content_type(entry: Entry) -> str:
    if entry.kind == "function":
        return "a function's result"
    return next((value.decode("latin-1") for name, value in entry.headers if name.lower() == b"content-type"), "")


def _charset(kind: str) -> str:
    _, _, given = kind.lower().partition("charset=")
    name = given.strip().strip('"').partition(";")[0]
    return name if name in ("iso-8859-1", "latin-1", "us-ascii") else "utf-8"
