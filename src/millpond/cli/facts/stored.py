"""A project's store as the command line opens it, and the facts about its entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.filesize import decimal

from millpond.errors import BuildError, UsageError
from millpond.policy.decision import Reason
from millpond.policy.freshness import Judgement, age_of, judge
from millpond.policy.key import fingerprint_in, folders_in, is_shared, method_in, path_in, query_in, variant_in
from millpond.policy.tags import Named, TagRow, is_own, named, whole_tags
from millpond.prerender.build_manifest import read_manifest
from millpond.prerender.build_report import whole
from millpond.prerender.build_table import duration_cell
from millpond.prerender.fingerprints.shared_answers import shared_fingerprints
from millpond.stores.factory import inspection_of, maintenance_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator
    from pathlib import Path

    from millpond.cli.project import FoundProject
    from millpond.config import Config
    from millpond.policy.entry import Entry
    from millpond.stores.maintenance_contract import ListedEntry, StoreInspection, StoreMaintenance

ID_LENGTH = 10
"""Characters of an entry's digest that tables show; `show` and `purge` accept a prefix of the digest."""
_MIN_ID_LENGTH = 6

FRESH, STALE, DEAD, DAMAGED = "fresh", "stale", "dead", "damaged"
"""Served as is; served while it is rendered again; never served again; not readable."""


@dataclass(frozen=True, slots=True)
class ProjectCache:
    """A project's store, and the build and configuration that its entries are judged by."""

    project: Path
    config: Config
    build: str | None
    """The id of the project's build; None if there is none that can be served."""
    shared: frozenset[str] = frozenset()
    """The fingerprints of its routes whose answers it shares with other builds."""

    @property
    def max_bytes(self) -> int:
        return self.config.cache.bytes_in(self.config.cache.kind)

    def inspected(self) -> StoreInspection:
        """The store, open for reading."""
        return inspection_of(self.project, self.config.cache)

    def cleared(self) -> StoreMaintenance:
        """The store, open for dropping entries."""
        return maintenance_of(self.project, self.config.cache)

    def judged(
        self, entry: Entry, row_of: Callable[[str], TagRow | None], now: float, builds: Container[str] = ()
    ) -> Judgement:
        """What a server would do with an entry: one of the project's build, or of the entry's build if in `builds`."""
        own = entry.kind != "response" or self.build is None or entry.build in builds
        build = entry.build if own or self.build is None else self.build
        if not own and is_shared(entry.key) and fingerprint_in(entry.key) not in self.shared:
            return Judgement(False, False, Reason.OTHER_BUILD)
        return judge(entry, now, row_of, build)


def cache_of(found: FoundProject, doing: str) -> ProjectCache:
    """The cache of a project; `doing` is the command's name in messages.

    Raises:
        UsageError: the project's cache is in the memory of its servers.
    """
    project, _, config = found
    if config.cache.kind == "memory":
        raise UsageError(
            f'{doing} works on the store on disk, but the configuration has [cache] store = "memory": '
            "the cache is in the server's memory. `millpond revalidate --url` reaches it there."
        )
    try:
        manifest = read_manifest(project)
    except BuildError:  # a server would refuse it, too; the store can still be inspected
        manifest = None
    if manifest is None:
        return ProjectCache(project, config, None)
    return ProjectCache(
        project, config, manifest.build, frozenset(shared_fingerprints(manifest, config.cache).values())
    )


def facts_of(
    cache: ProjectCache, found: ListedEntry, row_of: Callable[[str], TagRow | None], now: float, *, own: bool
) -> dict[str, Any]:
    """The facts about an entry; with `own` its built-in tags of route and path are listed, too."""
    entry = found.entry
    facts: dict[str, Any] = {"id": found.digest, "size": found.size, "hits": found.hits, "generation": found.generation}
    if entry is None:
        return {**_UNREADABLE, **facts}
    judgement = cache.judged(entry, row_of, now)
    return {
        **_UNREADABLE,
        **facts,
        "key": entry.key,
        "kind": entry.kind,
        "method": method_in(entry.key),
        "route": _route_of(entry),
        "path": path_in(entry.key),
        "variant": variant_in(entry.key),
        "label": entry.label or None,
        "status": entry.status,
        "age": int(age_of(entry, now)),
        "revalidate": whole(entry.revalidate, never=False),
        "expire": whole(entry.expire),
        "stale_after": None if entry.stale_after is None else whole(round(entry.stale_after, 1)),
        "state": FRESH if judgement.fresh else STALE if judgement.servable else DEAD,
        "reason": judgement.reason,
        "ttl": judgement.ttl,
        "tags": _readable_tags(entry, own=own),
        "build": entry.build,
    }


_UNREADABLE: dict[str, Any] = {
    "id": None,
    **dict.fromkeys(("key", "kind", "method", "route", "path", "variant", "label", "status", "size", "age")),
    **dict.fromkeys(("revalidate", "expire", "stale_after")),
    "state": DAMAGED,
    "reason": DAMAGED,
    **dict.fromkeys(("ttl", "generation", "hits")),
    "tags": [],
    "build": None,
}
"""All keys in their order, with the values for an entry that can't be read."""


def is_called(name: str, digest: str, entry: Entry | None) -> bool:
    """Whether `name` identifies an entry: a prefix of its id, or its key as printed."""
    if len(name) >= _MIN_ID_LENGTH and digest.startswith(name.lower()):
        return True
    return entry is not None and printed_key(entry.key) == printed_key(name)


def printed_key(key: str) -> str:
    """A key as printed on a terminal."""
    return key.replace("\0", " ").strip()


def _readable_tags(entry: Entry, *, own: bool) -> list[str]:
    """Tags as printed on a terminal; built-in ones without their NUL, and with the path that they stand for."""
    wholes = whole_tags(_route_of(entry) or "", folders_in(entry.key), path_in(entry.key) or "") if own else {}
    return [wholes.get(tag, tag).lstrip("\0") for tag in entry.tags if own or not is_own(tag)]


def _route_of(entry: Entry) -> str | None:
    return next((name for kind, name in map(named, entry.tags) if kind is Named.ROUTE), None)


def entry_row(facts: dict[str, Any]) -> list[str]:
    """An entry as a row of the table: name, kind, size, age, state, lifetime, generation, hits, id, tags."""
    return [
        _name_of(facts),
        facts["kind"] or "",
        human_size(facts["size"]),
        "" if facts["age"] is None else duration_cell(facts["age"]) or "0s",
        facts["state"],
        _lifetime(facts),
        str(facts["generation"]),
        str(facts["hits"]),
        facts["id"][:ID_LENGTH],
        ", ".join(facts["tags"]),
    ]


def _name_of(facts: dict[str, Any]) -> str:
    """The path of an answer, with the part of the query that is in the key, and its variant; or what was fetched or
    called."""
    if facts["path"] is None:
        return facts["label"] or printed_key(facts["key"] or DAMAGED)
    asked = f"QUERY {facts['path']}" if facts["method"] == "QUERY" else str(facts["path"])
    query = query_in(facts["key"])
    name = f"{asked}?{query}" if query else asked
    return name if facts["variant"] is None else f"{name} [{facts['variant']}]"


def entry_lines(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """An entry in full: one label and one text per line."""
    for label in ("path", "variant", "method", "label", "route", "kind", "status"):
        if facts[label] is not None:
            yield label, str(facts[label])
    if facts["key"] is not None:
        yield "key", printed_key(facts["key"])
    yield "id", facts["id"]
    yield "size", human_size(facts["size"])
    if facts["age"] is not None:
        yield "age", f"{facts['age']} s"
    left = "" if facts["ttl"] is None else f", fresh for {facts['ttl']} s" if facts["ttl"] >= 0 else ""
    yield "state", f"{facts['state']} ({facts['reason']}{left})"
    yield "lifetime", _lifetime(facts) or "never stale"
    yield "generation", str(facts["generation"])
    yield "hits", str(facts["hits"])
    if facts["tags"]:
        yield "tags", ", ".join(facts["tags"])
    if facts["build"]:
        yield "build", facts["build"]
    for name, value in facts.get("headers", {}).items():
        yield "header", f"{name}: {value}"


def human_size(number: int) -> str:
    """A number of bytes as readable text."""
    return decimal(number)


def _lifetime(facts: dict[str, Any]) -> str:
    """`revalidate / expire`; empty for an entry that never goes stale."""
    if not facts["revalidate"]:
        return ""
    return f"{duration_cell(facts['revalidate'])} / {duration_cell(facts['expire']) or 'never'}"
