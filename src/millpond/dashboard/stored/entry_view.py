"""An entry as the pages show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond.policy.freshness import age_of, judge
from millpond.policy.key import path_in
from millpond.policy.tags import Named, is_own
from millpond.prerender.build_table import duration_cell

if TYPE_CHECKING:
    from millpond.dashboard.operated import Operated
    from millpond.policy.entry import Entry
    from millpond.policy.freshness import Judgement
    from millpond.stores.maintenance_contract import ListedEntry

STATES = ("fresh", "stale", "dead", "damaged")
"""Served as it is; served while it is rendered again; never served again; can't be read."""
KINDS = ("response", "fetch", "function", "cron", "dictionary")
_MARKS = {"fresh": "hit", "stale": "stale", "dead": "miss", "damaged": "error"}
_RANKS = {"damaged": 0, "stale": 1, "dead": 2, "fresh": 3}
_LONGEST_NAME = 500


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry, and what a server would do with it now."""

    listed: ListedEntry
    judgement: Judgement | None
    """None: it can't be read."""
    age: float
    """Seconds."""

    @classmethod
    def of(cls, listed: ListedEntry, operated: Operated, now: float) -> EntryView:
        """By the build that is served, and the tags that this process knows."""
        entry = listed.entry
        if entry is None:
            return cls(listed, None, 0.0)
        build = operated.build if entry.kind == "response" else entry.build
        judgement = judge(entry, now, operated.store.row, build, is_synced=operated.store.is_synced())
        return cls(listed, judgement, age_of(entry, now))

    @property
    def entry(self) -> Entry | None:
        return self.listed.entry

    @property
    def name(self) -> str:
        """The path with its query, or what was fetched or called."""
        return "damaged" if self.entry is None else name_of(self.entry)

    @property
    def kind(self) -> str:
        return "" if self.entry is None else self.entry.kind

    @property
    def state(self) -> str:
        if self.judgement is None:
            return "damaged"
        if not self.judgement.servable:
            return "dead"
        return "fresh" if self.judgement.fresh and self.judgement.reason == "fresh" else "stale"

    @property
    def state_text(self) -> str:
        """With the reason, if it isn't fresh."""
        state = self.state
        return state if self.judgement is None or state == "fresh" else f"{state} · {self.judgement.reason.value}"

    @property
    def mark(self) -> str:
        """What the next reader gets."""
        return _MARKS[self.state]

    @property
    def lifetime(self) -> tuple[str, str]:
        """How long it is fresh, and how long it is served; "" for one that never goes stale."""
        entry = self.entry
        if entry is None or not entry.revalidate:
            return "", ""
        return duration_cell(entry.revalidate), duration_cell(entry.expire) or "never"

    @property
    def tags(self) -> list[str]:
        """Those that users have given."""
        return [] if self.entry is None else [tag for tag in self.entry.tags if not is_own(tag)]

    @property
    def origin(self) -> str | None:
        """Of the route that has rendered it."""
        if self.entry is None or self.entry.kind != "response":
            return None
        return self.entry.key.split("\0")[1]

    @property
    def rank(self) -> tuple[int, str]:
        """For sorting a page: what needs attention first, then by name."""
        return _RANKS[self.state], self.name


def name_of(entry: Entry) -> str:
    """What people call an entry: the path with its query, the URL that was fetched, the function that was called."""
    path = path_in(entry.key)
    kind, *parts = entry.key.split("\0")
    if path is None and entry.kind == "response" and len(parts) > 1:
        path = parts[1]
    if path is None:
        return (entry.label or " ".join([kind, *parts]))[:_LONGEST_NAME]
    query, *others = (*parts[2:], "")
    return "".join((path, f"?{query}" if query else "", *(f" · {other}" for other in others if other)))[:_LONGEST_NAME]


def shown_tag(tag: str) -> str:
    """A tag for people: a built-in one without its NUL."""
    return tag.lstrip("\0")


def given_tag(text: str) -> str:
    """The tag that somebody means who types what `shown_tag` shows."""
    kinds = tuple(f"{kind.value}:" for kind in (Named.ROUTE, Named.PATH, Named.BELOW))
    return f"\0{text}" if text.startswith(kinds) and text.partition(":")[2].startswith("/") else text
