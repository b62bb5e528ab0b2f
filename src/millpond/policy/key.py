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
_RESPONSE = "response"
_SHARED = f"{_RESPONSE}@"
"""How the keys of answers begin that builds with the same fingerprint of their route share."""
_CONTENT = "#"  # neither can this


def response_key(route_file: str, path: str, query: str = "", content: str = "", variant: str = "") -> str:
    """The key of a route's answer.

    Protocol and the rest of the query are not part of the key: a static render can't see them. Nor are headers, cookies
    and the host, but for a route that names them. Visitors choose paths and queries, and keys are held in many places,
    so a path or query over 256 characters is shortened to its beginning and a digest.

    Args:
        route_file: the file of the route; with it, two routes never share an entry.
        path: the canonical encoded path.
        query: the result of `canonical_query`.
        content: the digest of the content of a QUERY; empty for GET.
        variant: `Variant.text`; empty where nothing else of a request is part of the key.
    """
    asked = f"{_bounded(query)}{_CONTENT}{content}" if content else _bounded(query)
    parts = (_RESPONSE, route_file, _bounded(path), asked)
    return _SEPARATOR.join((*parts, _bounded(variant)) if variant else parts)


def shared_key(key: str, fingerprint: str) -> str:
    """The key of an answer that all builds use in which its route has this fingerprint; "": that of one build alone.

    So builds whose routes differ can't find each other's answers, whatever store they share.

    Args:
        key: the result of `response_key`.
        fingerprint: of the route; letters and digits.
    """
    return f"{_SHARED}{fingerprint}{key[len(_RESPONSE) :]}" if fingerprint else key


def is_shared(key: str) -> bool:
    """Whether builds share the answer of a key; see `shared_key`."""
    return key.startswith(_SHARED)


def fingerprint_in(key: str) -> str:
    """The fingerprint of the route in a key that builds share; "" in any other."""
    return key[len(_SHARED) : key.index(_SEPARATOR)] if is_shared(key) else ""


def origin_in(key: str) -> str | None:
    """The route in an answer's key; None for other kinds of keys."""
    parts = _parts(key)
    return None if parts is None else parts[0]


def path_in(key: str) -> str | None:
    """The path in an answer's key (a long one is shortened); None for other kinds of keys."""
    parts = _parts(key)
    return None if parts is None else parts[1]


def query_in(key: str) -> str:
    """The canonical query in an answer's key (a long one is shortened); empty for other kinds of keys."""
    parts = _parts(key)
    return "" if parts is None else parts[2].partition(_CONTENT)[0]


def is_shortened(text: str) -> bool:
    """Whether a path or a query in a key was too long for it: what is left can't be asked for."""
    return _CUT in text


def method_in(key: str) -> str | None:
    """The method that an answer's key is for: GET, or QUERY; None for other kinds of keys."""
    parts = _parts(key)
    if parts is None:
        return None
    return "QUERY" if _CONTENT in parts[2] else "GET"


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
    is_answer = kind == _RESPONSE or is_shared(key)
    return parts if is_answer and len(parts) in (len(_PARTS) - 1, len(_PARTS)) else None


def _bounded(text: str) -> str:
    if len(text) <= _MAX_LENGTH:
        return text
    return f"{text[:_KEPT_LENGTH]}{_CUT}{blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=20).hexdigest()}"


def canonical_query(names: Sequence[str], query_string: bytes) -> str:
    """The parameters of a query string that `cache_query` allows, in canonical form for the key.

    Parameters are in the order of `names`. A value that is repeated counts once, at its last position, as a
    handler that asks for one value gets the last one. `+` and `%20` are the same, and so are a byte beyond ASCII and
    its escape: browsers send the latter, and caches take both for the same URL.
    """
    if not names or not query_string:
        return ""
    values: dict[str, list[str]] = {name: [] for name in names}
    given = parse_qsl(_escaped(query_string), keep_blank_values=True)
    for name, value in list(dict.fromkeys(reversed(given)))[::-1]:
        if name in values:
            values[name].append(value)
    return urlencode(values, doseq=True)


def _escaped(query_string: bytes) -> str:
    if query_string.isascii():
        return query_string.decode("ascii")
    return "".join([chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in query_string])


def data_key(kind: str, *parts: bytes) -> str:
    """The key of fetched data or of a function's result: a digest, as the parts may be large.

    Each part is hashed with its length, so that two different lists of parts never hash the same bytes.
    """
    digest = blake2b(digest_size=20)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return _SEPARATOR.join((kind, digest.hexdigest()))
