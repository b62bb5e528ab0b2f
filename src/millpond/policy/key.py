"""Cache keys: stable across processes, machines and restarts, and without collisions between routes (R4.12)."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    from collections.abc import Sequence

_SEPARATOR = "\0"  # neither a file name nor an encoded path can contain it
_PARTS = ("file", "path", "query", "variant")
"""Of an answer's key; most have no variant."""
_MAX_LENGTH, _KEPT_LENGTH = 256, 200
_CUT = "…"  # no encoded path or query can contain it


def response_key(route_file: str, path: str, query: str = "", variant: str = "") -> str:
    """The key of a route's answer.

    Method, protocol and the rest of the query are not part of the key: a static render can't see them. Nor are headers,
    cookies and the host, but for a route that names them. Visitors choose paths and queries, and keys are held in many
    places, so a path or query over 256 characters is shortened to its beginning and a digest.

    Args:
        route_file: the file of the route; with it, two routes never share an entry.
        path: the canonical encoded path.
        query: the result of `canonical_query`.
        variant: `Variant.text`; empty where nothing else of a request is part of the key.
    """
    parts = ("response", route_file, _bounded(path), _bounded(query))
    return _SEPARATOR.join((*parts, _bounded(variant)) if variant else parts)


def path_in(key: str) -> str | None:
    """The path in an answer's key (a long one is shortened); None for other kinds of keys."""
    parts = _parts(key)
    return None if parts is None else parts[1]


def variant_in(key: str) -> str | None:
    """The host and the values in an answer's key; None where it has none."""
    parts = _parts(key)
    return parts[-1] if parts is not None and len(parts) == len(_PARTS) else None


def folders_in(key: str) -> str:
    """The folders of the route file in an answer's key, as a pattern with groups; "/" for other kinds of keys."""
    parts = _parts(key)
    return "/" if parts is None else folders_of(parts[0])


def folders_of(route_file: str) -> str:
    """A route file's folders below the application's: "app/(main)/shop/route.py" is in "/(main)/shop"."""
    return "/" + "/".join(route_file.split("/")[1:-1])


def _parts(key: str) -> list[str] | None:
    kind, *parts = key.split(_SEPARATOR)
    return parts if kind == "response" and len(parts) in (len(_PARTS) - 1, len(_PARTS)) else None


def _bounded(text: str) -> str:
    if len(text) <= _MAX_LENGTH:
        return text
    return f"{text[:_KEPT_LENGTH]}{_CUT}{blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=20).hexdigest()}"


def canonical_query(names: Sequence[str], query_string: bytes) -> str:
    """The parameters of a query string that `cache_query` allows, in canonical form for the key.

    Parameters are in the order of `names`. A value that is repeated counts once, at its last position, as a
    handler that asks for one value gets the last one. `+` and `%20` are the same.
    """
    if not names or not query_string:
        return ""
    values: dict[str, list[str]] = {name: [] for name in names}
    given = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    for name, value in list(dict.fromkeys(reversed(given)))[::-1]:
        if name in values:
            values[name].append(value)
    return urlencode(values, doseq=True)


def data_key(kind: str, *parts: bytes) -> str:
    """The key of fetched data or of a function's result: a digest, as the parts may be large.

    Each part is hashed with its length, so that two different lists of parts never hash the same bytes.
    """
    digest = blake2b(digest_size=20)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return _SEPARATOR.join((kind, digest.hexdigest()))
