"""Searching entries: page by page, by what the store has an index of, in bounded time."""

from __future__ import annotations

import difflib
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millpond.dashboard.stored.entry_view import EntryView, given_tag
from millpond.policy.tags import kept_tag
from millpond.prerender.plan import plan_table, plan_taking
from millpond.render.target import Target
from millpond.routes.path import split_leniently

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from millpond.dashboard.operated import Operated
    from millpond.prerender.plan import Plan
    from millpond.stores.maintenance_contract import ListedEntry, StoreInspection

ROWS = 50
"""Entries on a page."""
_SECONDS = 0.75
"""How long one page may search; the next one goes on behind it."""
_NAMES, _NEAREST = 5000, 3
_ID = re.compile(r"[0-9a-f]{6,64}")
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class EntryQuery:
    """What is searched for; "" is everything."""

    q: str = ""
    """A part of a path, of a URL or of a function's name; or the beginning of an id."""
    tag: str = ""
    kind: str = ""
    state: str = ""
    after: str = ""
    """The digest behind which the page begins."""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> EntryQuery:
        """What a URL says."""
        given = {name: query.get(name, "").strip()[:_LONGEST] for name in ("q", "tag", "kind", "state", "after")}
        if not re.fullmatch("[0-9a-f]{0,64}", given["after"]):
            given["after"] = ""
        return cls(**given)

    @property
    def is_everything(self) -> bool:
        return not (self.q or self.tag or self.kind or self.state)


@dataclass(slots=True)
class EntriesFound:
    """One page."""

    rows: list[EntryView] = field(default_factory=list)
    after: str = ""
    """Where the next page begins; "": there is none."""
    looked: int = 0
    """How many entries were looked at."""
    nearest: list[EntryView] = field(default_factory=list)
    """Where nothing was found: entries with similar names."""
    plan: Plan | None = None
    """The route that would answer the path that was searched for."""


def found_entries(store: StoreInspection, query: EntryQuery, operated: Operated) -> EntriesFound:
    """The entries of one page, what was named first, then what needs attention; it runs in a thread.

    The entry of a path that is given in full, and those whose ids begin with what is given, are found by the index.
    Everything else is looked for among all entries in the order of their digests.
    """
    now, found, names = operated.clock(), EntriesFound(), dict[str, EntryView]()
    tag = kept_tag(given_tag(query.tag)) if query.tag else ""
    seen: set[str] = set()
    if query.q.startswith("/"):
        found.plan, target = _answering(operated.plans(), query.q)
        exact = None if target is None else store.named(target.key, operated.build)
        if exact is not None:
            seen.add(exact.digest)
            view = EntryView.of(exact, operated, now)
            if not query.after and _fits(view, query, tag):
                found.rows.append(view)
    elif not query.after and _ID.fullmatch(query.q):
        for listed in _with_id(store, query.q):
            seen.add(listed.digest)
            found.rows.append(EntryView.of(listed, operated, now))
    ends = time.monotonic() + _SECONDS
    for listed in store.listed(query.after, tag):
        if len(found.rows) >= ROWS or (found.looked % 64 == 63 and time.monotonic() > ends):
            break
        found.looked, found.after = found.looked + 1, listed.digest
        if listed.digest in seen:
            continue
        if _may_fit(listed, query, tag):
            view = EntryView.of(listed, operated, now)
            if _fits(view, query, tag):
                found.rows.append(view)
            elif query.q and len(names) < _NAMES:
                names[view.name] = view
    else:
        found.after = ""
    found.rows.sort(key=lambda view: (view.listed.digest not in seen, view.rank))
    if not found.rows and not found.after and query.q:
        close = difflib.get_close_matches(query.q, names, n=_NEAREST)
        found.nearest = [names[name] for name in close]
    return found


def _with_id(store: StoreInspection, prefix: str) -> Iterator[ListedEntry]:
    yield from store.found([prefix]) if len(prefix) % 2 == 0 and len(prefix) >= 32 else ()
    for number, listed in enumerate(store.listed(prefix)):
        if number >= ROWS or listed.digest[: len(prefix) // 2 * 2] > prefix:
            return
        if listed.digest.startswith(prefix):
            yield listed


def _may_fit(listed: ListedEntry, query: EntryQuery, tag: str) -> bool:
    """What can be told without judging it."""
    entry = listed.entry
    if entry is None:
        return not (query.q or tag or query.kind) and query.state in ("", "damaged")
    return query.kind in ("", entry.kind) and (not tag or tag in entry.tags)


def _fits(view: EntryView, query: EntryQuery, tag: str) -> bool:
    if not _may_fit(view.listed, query, tag) or query.state not in ("", view.state):
        return False
    return not query.q or query.q.casefold() in view.name.casefold()


def _answering(plans: Sequence[Plan], given: str) -> tuple[Plan | None, Target | None]:
    """The route that answers a GET of a path, and the entry's place there."""
    path, _, query = given.partition("?")
    segments = split_leniently(path.encode("utf-8", "replace"))
    query_string = query.encode("utf-8", "replace")
    for match in plan_table(plans).match(segments):
        target = Target.of(match.route.route, segments, dict(match.params), query_string, match.route.fingerprint)
        if not match.route.declines(target.path):
            return match.route, target
    taken = plan_taking(plans, "/" + "/".join(segments))
    if taken is None:
        return None, None
    plan, listed = taken
    return plan, Target.of(plan.route, listed.segments, listed.params, query_string, plan.fingerprint)
