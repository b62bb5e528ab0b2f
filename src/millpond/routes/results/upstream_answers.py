"""Whether something is of httpx2, as what `fetch` returns; asked without importing it, as few projects need it."""

from __future__ import annotations

import sys
from typing import Any

_PLAIN = frozenset({bool, dict, float, int, list, str, tuple, type(None)})


def is_upstreams(value: object) -> bool:
    """Whether a value is an upstream's answer, an httpx2.Response: there is none where nobody has imported httpx2."""
    if type(value) in _PLAIN:  # nearly always
        return False
    kind = _of_httpx2("Response")
    return kind is not None and isinstance(value, kind)


def is_upstreams_class(kind: type) -> bool:
    """Whether a class is that of upstreams' answers."""
    known = _of_httpx2("Response")
    return known is not None and issubclass(kind, known)


def is_status_error(error: BaseException) -> bool:
    """Whether it is what `raise_for_status` raises."""
    kind = _of_httpx2("HTTPStatusError")
    return kind is not None and isinstance(error, kind)


def _of_httpx2(name: str) -> type[Any] | None:
    """A class of httpx2; None while that is missing, or another thread imports it."""
    found: type[Any] | None = getattr(sys.modules.get("httpx2"), name, None)
    return found
