"""What the cache would answer: by the running store, where that is a file; else by the entries of the build."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.errors import StoreError
from millpond.policy.decision import Action, Reason
from millpond.policy.freshness import age_of, judge
from millpond.policy.key import response_key
from millpond.policy.tags import is_own
from millpond.prerender.build_manifest import read_entries
from millpond.prerender.build_report import whole
from millpond.stores.factory import inspection_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.app import Millpond
    from millpond.policy.entry import Entry
    from millpond.policy.tags import TagRow
    from millpond.prerender.build_manifest import BuildManifest
    from millpond.render.target import Target
    from millpond.stores.maintenance_contract import StoreInspection

BUILD, STORE = "the entries of the build", "the running store"
_ASKED = 100


class _Kept(NamedTuple):
    """What is known of a key."""

    entry: Entry | None
    rows: dict[str, TagRow | None]
    """Of the entry's tags."""
    by: str
    """Who says so."""


def stored_answer(app: Millpond, manifest: BuildManifest | None, target: Target, now: float) -> dict[str, Any]:
    """The facts about the stored answer for a path, and what a server would do with it at `now`.

    Raises:
        BuildError: the build's entries can't be read.
    """
    kept = _kept(app, manifest, target.key)
    entry = kept.entry
    facts: dict[str, Any] = {"key": target.key, "by": kept.by, "stored": entry is not None}
    if entry is None or manifest is None:
        return {**facts, "answer": Action.MISS, "reason": Reason.COLD, "revalidate": None, "expire": None, "tags": []}
    judgement = judge(entry, now, kept.rows.get, manifest.build)
    stored = Action.HIT if judgement.fresh else Action.STALE
    return {
        **facts,
        "answer": stored if judgement.servable else Action.MISS,
        "reason": judgement.reason,
        "tag": None if judgement.tag is None else judgement.tag.lstrip("\0"),
        "status": entry.status,
        "age": int(age_of(entry, now)),
        "ttl": judgement.ttl,
        "revalidate": whole(entry.revalidate, never=False),
        "expire": whole(entry.expire),
        "tags": [tag for tag in entry.tags if not is_own(tag)],
    }


def _kept(app: Millpond, manifest: BuildManifest | None, key: str) -> _Kept:
    if manifest is None:
        return _Kept(None, {}, BUILD)
    if app.config.cache.kind == "lmdb":
        try:
            with inspection_of(app.project, app.config.cache) as store:
                found = store.named(key, manifest.build)
                if found is not None and found.entry is not None:
                    return _Kept(found.entry, {tag: store.row(tag) for tag in found.entry.tags}, STORE)
                if _has_served(store, manifest):
                    return _Kept(None, {}, STORE)
        except StoreError:  # no server has made it yet, or one has to repair it: it will begin with the build's entries
            pass
    return _Kept(next((entry for entry in read_entries(app.project, manifest) if entry.key == key), None), {}, BUILD)


def _has_served(store: StoreInspection, manifest: BuildManifest) -> bool:
    """Whether a server has put this build's entries into the store: then what isn't there is a miss."""
    return any(store.named(key, manifest.build) is not None for key in islice(_keys(manifest), _ASKED))


def _keys(manifest: BuildManifest) -> Iterator[str]:
    return (response_key(record.origin, path.path) for record in manifest.routes for path in record.paths)
