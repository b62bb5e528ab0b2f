"""Cache keys: stable over processes, machines and restarts, and without collisions between routes (R4.12)."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    from collections.abc import Sequence

_SEPARATOR = "\0"  # neither a file name nor an encoded path can hold it
_LONGEST, _SHOWN = 256, 200
_CUT = "…"  # no encoded path or query can hold it


def response_key(route_file: str, path: str, query: str = "") -> str:
    """The key of a route's answer.

    `route_file` names the owner, so that two routes never share an entry; `path` is the canonical encoded path,
    `query` what `canonical_query` gives. Method, headers, cookies, host, protocol and the rest of the query are not
    part of it: a static render can't see them. Of a path or query over 256 characters the key has the beginning and a
    digest: visitors choose them, and keys are held in many places.
    """
    return _SEPARATOR.join(("response", route_file, _bounded(path), _bounded(query)))


def path_in(key: str) -> str | None:
    """The path in an answer's key, a long one cut off; None for a key of anything else."""
    parts = _parts(key)
    return None if parts is None else parts[1]


def folders_in(key: str) -> str:
    """The folders of the route file in an answer's key, as a pattern with groups; "/" for a key of anything else."""
    parts = _parts(key)
    return "/" if parts is None else folders_of(parts[0])


def folders_of(route_file: str) -> str:
    """A route file's folders below the application's: "app/(main)/shop/route.py" is in "/(main)/shop"."""
    return "/" + "/".join(route_file.split("/")[1:-1])


def _parts(key: str) -> list[str] | None:
    kind, *parts = key.split(_SEPARATOR)
    return parts if kind == "response" and len(parts) == len(("file", "path", "query")) else None


def _bounded(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_SHOWN]}{_CUT}{blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=20).hexdigest()}"


def canonical_query(names: Sequence[str], query_string: bytes) -> str:
    """The part of a query string that `cache_query` lets into the key, in one spelling for each meaning.

    Parameters stand in the order of `names`, repeated values once, where they stood last: a handler that asks for
    one value gets the last. `+` and `%20` are the same.
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

    Every part goes in with its length, so that no two lists of parts are the same bytes.
    """
    digest = blake2b(digest_size=20)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return _SEPARATOR.join((kind, digest.hexdigest()))
