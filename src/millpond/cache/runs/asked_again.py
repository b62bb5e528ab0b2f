"""Entries that were asked for near the end of their lifetime: those that are asked for again are worth a refresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millpond.policy.entry import Entry

_MOST = 10_000
"""Keys that are remembered, as visitors choose them; the oldest is forgotten first."""


class AskedAgain:
    """What was asked for once since it was due. Used from any thread: each step is one operation of a dict."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._once: dict[str, float] = {}
        """Key -> when the entry was made that was asked for."""

    def note(self, entry: Entry) -> bool:
        """Note that a due entry was asked for; returns whether it was before."""
        if self._once.get(entry.key) == entry.rendered_at:
            return True
        self._once.pop(entry.key, None)
        if len(self._once) >= self._most:
            self._once.pop(next(iter(self._once), ""), None)
        self._once[entry.key] = entry.rendered_at
        return False
