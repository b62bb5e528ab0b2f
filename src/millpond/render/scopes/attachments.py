"""What rooms above render/ attach to the scopes of an application, under typed keys.

`fetch()` and `@cached` look up the cache of the application whose handler calls them, so a scope has to lead to it; but
render/ must not import cache/. A key in the style of aiohttp's AppKey solves both: the room above defines the key with
the type of its value, and render/ passes the attachments on without knowing either.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

T = TypeVar("T")


class ScopeKey(Generic[T]):
    """The key of an attachment of type T; keys are compared by identity."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"ScopeKey({self._name!r})"


class Attachments:
    """Those of one application, shared by all of its scopes."""

    def __init__(self) -> None:
        self._values: dict[ScopeKey[Any], Any] = {}

    def attach(self, key: ScopeKey[T], value: T) -> None:
        self._values[key] = value

    def get(self, key: ScopeKey[T]) -> T | None:
        """What was attached under `key`, if anything."""
        value: T | None = self._values.get(key)
        return value
