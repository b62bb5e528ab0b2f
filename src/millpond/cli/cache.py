"""millpond cache"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from cyclopts.validators import Number

from millpond.cli.facts.stored import (
    DAMAGED,
    ID_LENGTH,
    cache_of,
    entry_lines,
    entry_row,
    facts_of,
    human_size,
    is_called,
)
from millpond.cli.project import project_of
from millpond.cli.terminal.console import (
    errors_as_json,
    output,
    print_error,
    print_json,
    print_json_list,
    print_labelled,
    print_table,
)
from millpond.cli.terminal.options import HERE, Json, Which
from millpond.errors import CommandError, UsageError
from millpond.messages import counted
from millpond.policy.entry import EntryKind  # noqa: TC001 - the command line is made of it
from millpond.policy.tags import kept_tag
from millpond.prerender.build_table import route_table
from millpond.routes.naming.named_path import named_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from millpond.cli.facts.stored import ProjectCache
    from millpond.policy.entry import Entry
    from millpond.policy.tags import TagRow
    from millpond.stores.maintenance_contract import ListedEntry, StoreInspection

cache = App(name="cache", help_format="plaintext")

HEADINGS = ["Entry", "Kind", "Size", "Age", "State", "Lifetime", "Gen", "Hits", "Id", "Tags"]
_ROWS_OF_A_TABLE = 1000


@cache.command(name="ls")
def list_entries(
    *,
    which: Which = HERE,
    route: Annotated[str | None, Parameter(help="Only entries of this route pattern, such as /items/[id].")] = None,
    tag: Annotated[str | None, Parameter(help="Only entries with this tag.")] = None,
    kind: Annotated[
        EntryKind | None,
        Parameter(help="Only entries of this kind: answers, fetched data, function results, crons or dictionaries."),
    ] = None,
    limit: Annotated[int, Parameter(help="Show at most this many; 0 shows all.", validator=Number(gte=0))] = 100,
    all_tags: Annotated[
        bool, Parameter(name="--all", negative="", help="Also show the built-in tags of routes and paths.")
    ] = False,
    json: Json = False,
) -> int:
    """List the stored entries, most recently used first."""
    with errors_as_json(json):
        about = cache_of(project_of(which.entrypoint()), "millpond cache")
        with about.inspected() as inspection:
            # Only digests are held for all entries: there may be a million.
            wanted = [
                (-found.use, found.digest)
                for found, facts in _facts(about, inspection.entries(), inspection, own=False)
                if _fits(found, facts, route, tag, kind)
            ]
            latest = [name for _, name in sorted(wanted)][: limit or None]
            listed = (facts for _, facts in _facts(about, inspection.found(latest), inspection, own=all_tags))
            if json:
                print_json_list("entries", listed, {"total": len(wanted)})
            else:
                _print_tables(listed)
    if not json and len(latest) < len(wanted):
        output().print(f"\n{len(latest)} of {len(wanted)} entries; --limit 0 shows all", soft_wrap=True)
    return 0


def _print_tables(listed: Iterator[dict[str, Any]]) -> None:
    """One table, or several if it is long, as the columns of a table are as wide as what is in all its rows."""
    console, first = output(), True
    while (rows := [entry_row(facts) for facts in itertools.islice(listed, _ROWS_OF_A_TABLE)]) or first:
        print_table(console, route_table(HEADINGS, rows, console.width))
        first = False


@cache.command
def show(
    name: Annotated[str, Parameter(help="A path, such as /items/1; a key; or the beginning of an id.")],
    /,
    *,
    which: Which = HERE,
    json: Json = False,
) -> int:
    """Show one entry in full, or all entries of a path."""
    with errors_as_json(json):
        about = cache_of(project_of(which.entrypoint()), "millpond cache")
        wanted = _chosen(path=name if name.startswith("/") else None, key=name)
        with about.inspected() as inspection:
            shown = [
                {**facts, "headers": _headers(found.entry)}
                for found, facts in _facts(about, inspection.entries(), inspection, own=True)
                if wanted(found.digest, found.entry)
            ]
        if not shown:
            raise CommandError(f"nothing is stored for {name}; `millpond cache ls` lists all entries.")
    if json:
        print_json({"entries": shown})
        return 0
    for number, facts in enumerate(shown):
        if number:
            output().print()
        print_labelled(entry_lines(facts), 10)
    return 0


@cache.command
def stats(*, which: Which = HERE, json: Json = False) -> int:
    """Show how much is stored, and how much of it is fresh."""
    with errors_as_json(json):
        about = cache_of(project_of(which.entrypoint()), "millpond cache")
        with about.inspected() as inspection:
            numbers = inspection.stats()._asdict()
            hits, kinds, states = 0, Counter[str](), Counter[str]()
            for found, facts in _facts(about, inspection.entries(), inspection, own=False):
                hits += found.hits
                kinds[str(facts["kind"] or DAMAGED)] += 1
                states[str(facts["state"])] += 1
    facts = {**numbers, "max_bytes": about.max_bytes, "hits": hits, "kinds": kinds, "states": states}
    if json:
        print_json(facts)
        return 0
    print_labelled(_stats_lines(facts), 12)
    return 0


@cache.command
def verify(*, which: Which = HERE, json: Json = False) -> int:
    """Read every entry; the exit code is 1 if any is damaged."""
    with errors_as_json(json):
        about = cache_of(project_of(which.entrypoint()), "millpond cache")
        entries, damaged = 0, []
        with about.inspected() as inspection:
            for found in inspection.entries():
                entries += 1
                if found.entry is None:
                    damaged.append(found.digest)
    if json:
        print_json({"entries": entries, "damaged": damaged})
    else:
        for name in damaged:
            print_error(f"entry {name[:ID_LENGTH]} is damaged and is never served. `millpond cache prune` drops it.")
        output().print(f"{entries} entries, {len(damaged)} damaged", soft_wrap=True)
    return 1 if damaged else 0


@cache.command
def purge(
    *,
    which: Which = HERE,
    everything: Annotated[bool, Parameter(name="--all", negative="", help="All entries.")] = False,
    path: Annotated[list[str] | None, Parameter(negative="", help="Entries of this path or pattern.")] = None,
    tag: Annotated[list[str] | None, Parameter(negative="", help="Entries with this tag.")] = None,
    key: Annotated[list[str] | None, Parameter(negative="", help="The entry with this key or id.")] = None,
    json: Json = False,
) -> int:
    """Drop entries. A render that is running now is still stored; `millpond revalidate` invalidates that, too."""
    with errors_as_json(json):
        if not (everything or path or tag or key):
            raise UsageError("select entries with --all, --path PATH, --tag TAG or --key KEY.")
        about = cache_of(project_of(which.entrypoint()), "millpond cache")
        choices = [*(_chosen(path=one) for one in path or ()), *(_chosen(tag=one) for one in tag or ())]
        choices += [_chosen(key=one) for one in key or ()]

        def unwanted(entry: Entry | None, name: str) -> bool:
            return everything or any(chosen(name, entry) for chosen in choices)

        return _report_dropped(_drop(about, lambda name, entry, row_of: unwanted(entry, name)), json)


@cache.command
def prune(*, which: Which = HERE, json: Json = False) -> int:
    """Drop entries that can never be served again: expired, damaged, or of another build."""
    with errors_as_json(json):
        about, now = cache_of(project_of(which.entrypoint()), "millpond cache"), time.time()

        with about.cleared() as upkeep:
            # During a rolling deploy another build's answers are in use while one of its servers still runs.
            builds = upkeep.builds()

            def unwanted(name: str, entry: Entry | None, row_of: Callable[[str], TagRow | None]) -> bool:
                return entry is None or not about.judged(entry, row_of, now, builds).servable

            return _report_dropped(upkeep.drop(unwanted), json)


def _stats_lines(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "entries", f"{facts['entries']}  ({_numbers(facts['kinds'])})"
    yield "states", _numbers(facts["states"])
    yield "size", f"{human_size(facts['bytes'])} of {human_size(facts['max_bytes'])}"
    if "file_bytes" in facts:
        yield "file", f"{human_size(facts['file_bytes'])} of {human_size(facts['map_bytes'])}"
    if "builds" in facts:
        yield "builds", ", ".join(facts["builds"]) or "none"
    for name in ("hits", "generation", "tags", "leases", "readers", "mirrors", "identity"):
        if name in facts:
            yield name, str(facts[name])


def _drop(about: ProjectCache, unwanted: Callable[[str, Entry | None, Callable[[str], TagRow | None]], bool]) -> int:
    with about.cleared() as upkeep:
        return upkeep.drop(unwanted)


def _report_dropped(number: int, json: bool) -> int:
    if json:
        print_json({"removed": number})
    else:
        output().print(f"{counted(number, 'entry', 'entries')} removed", soft_wrap=True)
    return 0


def _facts(
    about: ProjectCache, entries: Iterable[ListedEntry], inspection: StoreInspection, *, own: bool
) -> Iterator[tuple[ListedEntry, dict[str, Any]]]:
    row_of, now = inspection.row, time.time()
    for found in entries:
        yield found, facts_of(about, found, row_of, now, own=own)


def _fits(found: ListedEntry, facts: dict[str, Any], route: str | None, tag: str | None, kind: str | None) -> bool:
    if tag is not None and (found.entry is None or tag not in found.entry.tags):
        return False
    return (route is None or facts["route"] == route) and (kind is None or facts["kind"] == kind)


def _chosen(
    *, path: str | None = None, tag: str | None = None, key: str | None = None
) -> Callable[[str, Entry | None], bool]:
    """A predicate: whether an entry belongs to a path or pattern, has a tag, or has a key or id.

    Raises:
        UsageError: the path has a bad escape, or no leading slash.
    """
    tags = {tag} if path is None else set(map(kept_tag, named_path(path, None, None).tags))
    return lambda name, entry: (
        (entry is not None and not tags.isdisjoint(entry.tags)) or (key is not None and is_called(key, name, entry))
    )


def _headers(entry: Entry | None) -> dict[str, str]:
    if entry is None:
        return {}
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in entry.headers}


def _numbers(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.most_common()) or "none"
