"""What the cache would answer: by the running store, where that is a file; else by the entries of the build."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from millpond.errors import StoreError
from millpond.policy.decision import Action, Reason
from millpond.policy.freshness import age_of, judge
from millpond.policy.key import is_shared, response_key, shared_key
from millpond.policy.tags import is_own
from millpond.prerender.build_manifest import read_entries
from millpond.prerender.build_report import whole
from millpond.prerender.fingerprints.shared_answers import shared_fingerprints, under_shared_keys
from millpond.stores.factory import inspection_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
    kept = _kept(app, manifest, target)
    entry = kept.entry
    facts: dict[str, Any] = {"key": target.key, "by": kept.by, "stored": entry is not None, "build": None}
    if entry is None or manifest is None:
        ages = dict.fromkeys(("revalidate", "expire", "stale_after"))
        return {**facts, "answer": Action.MISS, "reason": Reason.COLD, **ages, "tags": []}
    judgement = judge(entry, now, kept.rows.get, manifest.build)
    stored = Action.HIT if judgement.fresh else Action.STALE
    return {
        **facts,
        "build": entry.build if kept.by == STORE else None,
        "answer": stored if judgement.servable else Action.MISS,
        "reason": judgement.reason,
        "tag": None if judgement.tag is None else judgement.tag.lstrip("\0"),
        "status": entry.status,
        "age": int(age_of(entry, now)),
        "ttl": judgement.ttl,
        "revalidate": whole(entry.revalidate, never=False),
        "expire": whole(entry.expire),
        "stale_after": None if entry.stale_after is None else whole(round(entry.stale_after, 1)),
        "client_stale": None if entry.client_stale is None else whole(entry.client_stale),
        "tags": [tag for tag in entry.tags if not is_own(tag)],
    }


def _kept(app: Millpond, manifest: BuildManifest | None, target: Target) -> _Kept:
    if manifest is None:
        return _Kept(None, {}, BUILD)
    key, fingerprints = target.key, shared_fingerprints(manifest, app.config.cache)
    if app.config.cache.kind == "lmdb" or is_shared(key):
        try:
            with inspection_of(app.project, app.config.cache) as store:
                found = store.named(key, manifest.build)
                if found is not None and found.entry is not None:
                    return _Kept(found.entry, {tag: store.row(tag) for tag in found.entry.tags}, STORE)
                if _has_served(store, manifest, fingerprints):
                    return _Kept(None, {}, STORE)
        except StoreError:  # no server has made it yet, or one has to repair it: it will begin with the build's entries
            pass
    built = under_shared_keys(read_entries(app.project, manifest), fingerprints)
    return _Kept(next((entry for entry in built if entry.key == key), None), {}, BUILD)


def _has_served(store: StoreInspection, manifest: BuildManifest, fingerprints: Mapping[str, str]) -> bool:
    """Whether a server has put this build's entries into the store: then what isn't there is a miss."""
    keys = islice(_keys(manifest, fingerprints), _ASKED)
    return any(store.named(key, manifest.build) is not None for key in keys)


def _keys(manifest: BuildManifest, fingerprints: Mapping[str, str]) -> Iterator[str]:
    for record in manifest.routes:
        fingerprint = fingerprints.get(record.origin, "")
        for path in record.paths:
            yield shared_key(response_key(record.origin, path.path), fingerprint)
