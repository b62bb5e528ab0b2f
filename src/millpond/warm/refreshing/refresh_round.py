"""Refreshing: a soft invalidation, so that old answers stay, and a render of each answer that it reaches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, Protocol

from millpond.policy.tags import Named, named
from millpond.warm.asked_path import asked_path
from millpond.warm.bounded_round import WarmingLimits, warm_all
from millpond.warm.outcome import Outcome, WarmTally
from millpond.warm.refreshing.reached_entries import reached_by

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from millpond.cache.invalidation_order import Invalidates, InvalidationOrder
    from millpond.policy.entry import Entry
    from millpond.purge.purges import Purges
    from millpond.warm.outcome import Warmed, Warms
    from millpond.warm.refreshing.reached_entries import ReachedEntries

    class ReadableStore(Invalidates, Protocol):
        """A store, as far as a refresh needs it."""

        def entries(self) -> Iterator[Entry]: ...


class Refreshed(NamedTuple):
    """What a refresh has done."""

    reached: ReachedEntries
    generation: int
    """The store's, afterwards."""
    tally: WarmTally
    """What became of each path."""


async def refresh(
    order: InvalidationOrder,
    store: ReadableStore,
    warms: Warms,
    *,
    base_path: str = "",
    purges: Purges | None = None,
    limits: WarmingLimits | None = None,
    tell: Callable[[Warmed], None] = lambda warmed: None,
) -> Refreshed:
    """Render now what tags and paths reach. The old answers are served until the new ones are there.

    Data with the tags is made anew, too, as renders wait for it. An answer whose render fails stays, and is
    tried again after a pause. Answers that no path alone makes are stale until they are asked for. Caches in front are
    purged at the end, so that they get the new answers.

    Args:
        order: what is reached; a path that has no answer yet is rendered, too.
        store: holds the answers.
        warms: renders a path, and waits for it.
        base_path: of the application.
        purges: the purges of caches in front.
        limits: of the renders.
        tell: called for each path, as soon as it is known what became of it.

    Raises:
        StoreError: the store can't be reached.
    """
    tags = order.reached_tags
    reached = await asyncio.to_thread(lambda: reached_by(store.entries(), tags))
    paths = {asked_path(base_path + path): path for path in (*reached.paths, *_named_paths(order, reached.answered))}
    done, tally = order.carry_out(store, None, expire_after=None), WarmTally()

    def told(warmed: Warmed) -> None:
        former = reached.paths.get(paths[warmed.path])
        if warmed.outcome is Outcome.FAILED and warmed.why is None and warmed.status == former:
            warmed = warmed._replace(outcome=Outcome.RENDERED)  # a 404 that is stored is an answer like any other
        tally.add(warmed)
        tell(warmed)

    await warm_all(warms, paths, limits or WarmingLimits(), told)
    if purges is not None and tags:
        purges.announce(tags, expire_after=None)
    return Refreshed(reached, done["generation"], tally)


def _named_paths(order: InvalidationOrder, answered: Collection[str]) -> Iterator[str]:
    """The paths that are named themselves, and have no answer of any query, host or value yet."""
    for kind, name in map(named, order.tags_of_paths):
        if kind is Named.PATH and name not in answered:
            yield name
