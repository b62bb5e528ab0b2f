"""A path to ask for, of what a sitemap, a log or a list says: percent-encoded, and never of another host."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection

LONGEST_PATH = 8192
"""Characters of an encoded path with its query, which servers accept as a rule."""
_SAFE_IN_PATH = "/%!$&'()*+,;=:@~"
_SAFE_IN_QUERY = f"{_SAFE_IN_PATH}?"
_PORTS = {"http": 80, "https": 443}


class NotAsked(ValueError):
    """It is no path that may be asked for; the message says why."""


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, in one spelling: "https://shop.example", "http://127.0.0.1:8000".

    Raises:
        NotAsked: it is no http or https URL, or has credentials.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise NotAsked(f"no URL ({error})") from None
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc:
        raise NotAsked("no path, and no URL of http or https without credentials")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" if port in (None, _PORTS[parts.scheme]) else f"{parts.scheme}://{shown}:{port}"


def asked_path(text: str, origins: Collection[str] = ()) -> str:
    """What a request for it has as its target: the encoded path, and the query with a question mark.

    Args:
        text: a path, or a URL of one of the origins. What isn't encoded is; a fragment is dropped.
        origins: as `origin_of` spells them.

    Raises:
        NotAsked: it is neither, or too long.
    """
    text = text.strip()
    if not text.startswith("/"):
        origin = origin_of(text)
        if origin not in origins:
            raise NotAsked(f"another host, {origin}")
        text = text.partition("://")[2]
        cut = min((at for at in map(text.find, "/?#") if at >= 0), default=len(text))
        text = text[cut:] if text[cut : cut + 1] == "/" else f"/{text[cut:]}"
    elif text.startswith(("//", "/\\")):
        raise NotAsked("no path: it names a host")
    path, mark, query = text.partition("#")[0].partition("?")
    target = quote(path, safe=_SAFE_IN_PATH) + (f"?{quote(query, safe=_SAFE_IN_QUERY)}" if mark and query else "")
    if len(target) > LONGEST_PATH:
        raise NotAsked(f"longer than {LONGEST_PATH} characters")
    return target
