"""One entry: what is stored, how a server judges it, and what its tags have been through."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.dashboard.figures.failing import failing_now
from millpond.dashboard.stored.entry_body import preview_of, shown_headers
from millpond.dashboard.stored.entry_view import EntryView, shown_tag
from millpond.dashboard.stored.invalidation_times import invalidation_times
from millpond.dashboard.stored.store_reader import read_store
from millpond.errors import StoreError
from millpond.policy.key import folders_in, path_in
from millpond.policy.tags import is_own, whole_tags

if TYPE_CHECKING:
    from millpond.dashboard.operated import Operated
    from millpond.dashboard.pages.dashboard_page import Viewer
    from millpond.dashboard.stored.invalidation_times import TagInvalidated
    from millpond.policy.tags import TagRow

_TAGS, _DAY = 200, 86_400.0


class EntryTag(NamedTuple):
    """A tag of an entry."""

    tag: str
    """As it is."""
    shown: str
    is_own: bool
    """Whether it is a built-in one, of a route or a path."""
    row: TagRow | None
    invalidated: TagInvalidated | None


async def entry_context(viewer: Viewer, digest: str) -> dict[str, Any] | None:
    """What the template `entry.html` shows; None: there is no such entry."""
    operated = viewer.operated
    now = operated.clock()
    if not digest.isalnum() or len(digest) > 64:
        return None
    try:
        listed = await read_store(operated, lambda store: next(iter(store.found([digest])), None))
    except StoreError as error:
        return {"view": None, "problem": str(error), "digest": digest}
    except ValueError:  # it isn't hexadecimal
        return None
    if listed is None:
        return None
    view = EntryView.of(listed, operated, now)
    entry = listed.entry
    facts = {"view": view, "problem": None, "digest": digest, "generation": operated.store.generation()}
    if entry is None:
        return facts
    plan = next((plan for plan in operated.plans() if plan.route.origin == view.origin), None)
    route = None if plan is None else plan.route.pattern
    events = await asyncio.to_thread(operated.counting.journal.latest, now=now)
    failing = next((cause for cause in failing_now(events, now - _DAY) if route in cause.routes), None)
    return {
        **facts,
        "entry": entry,
        "plan": plan,
        "route": route,
        "key": " ".join(entry.key.split("\0")),
        "headers": shown_headers(entry),
        "body": preview_of(entry, visible=operated.development or operated.config.dashboard.bodies),
        "bodies": operated.development or operated.config.dashboard.bodies,
        "tags": _tags(view, route, operated, invalidation_times(events, now)),
        "more_tags": max(0, len(entry.tags) - _TAGS),
        "failing": failing if view.state_text.endswith("refresh-failed") else None,
    }


def _tags(view: EntryView, route: str | None, operated: Operated, times: dict[str, TagInvalidated]) -> list[EntryTag]:
    entry = view.entry
    if entry is None:
        return []
    wholes = whole_tags(route or "", folders_in(entry.key), path_in(entry.key) or "")
    found = [
        EntryTag(
            tag,
            shown_tag(wholes.get(tag, tag)),
            is_own(tag),
            operated.store.row(tag),
            times.get(shown_tag(tag)) or times.get(shown_tag(wholes.get(tag, tag))),
        )
        for tag in entry.tags[:_TAGS]
    ]
    return sorted(found, key=lambda each: (each.is_own, each.row is None))
