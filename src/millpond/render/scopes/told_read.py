"""A read of the request in as few words as tell it: "header accept-language", "query page", "cookies"."""

from __future__ import annotations

_GROUPS = {
    "request.headers": ("header", "headers"),
    "headers()": ("header", "headers"),
    "request.cookies": ("cookie", "cookies"),
    "cookies()": ("cookie", "cookies"),
    "request.query_params": ("query", "query"),
}
"""What messages call the mappings of a request, and the words for one of their values and for all of them."""
_OF_PATH = frozenset({"request.url.path", "request.url.fragment", "request.state"})
"""Reads that tell nothing but the path, which is part of each key; reads *in* `request.state` are told one by one."""
_KEYS_OF_PATH = frozenset(
    {"app", "endpoint", "method", "path", "path_params", "raw_path", "root_path", "route", "router", "type"}
)
_CALLS_OF_MAPPINGS = frozenset({"headers()", "cookies()"})


def told_read(api: str, key: object) -> str | None:
    """The read; None: it depends on nothing but the path.

    Args:
        api: what messages call the part of the request.
        key: what is read of it, where it is a mapping.
    """
    group = _GROUPS.get(api)
    if group is not None:
        one, everything = group
        return f"{one} {key.lower() if one == 'header' else key}" if isinstance(key, str) else everything
    if (api in _OF_PATH and key is None) or (api == "request" and (key is None or key in _KEYS_OF_PATH)):
        return None
    return api if key is None else f"{api} {key}"


def told_call(api: str) -> str | None:
    """A call that needs a request; None: what is read by it is told by itself."""
    return None if api in _CALLS_OF_MAPPINGS else api
