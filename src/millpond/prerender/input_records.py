"""The inputs of answers in the build manifest: one record for each input and line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from millpond.errors import Place
from millpond.observe.environment_variables import EVERY_VARIABLE
from millpond.observe.use import connects
from millpond.policy.allowance import InputKind, is_refreshed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from millpond.cache.observed import ObservedFunction, ObservedFunctions
    from millpond.policy.allowance import Allowance
    from millpond.prerender.route_result import Page, RouteResult
    from millpond.render.scopes.inputs import CachedFunction, Observation

_BY_LINE = frozenset({InputKind.DATABASE, InputKind.NETWORK, InputKind.PROCESS})
"""Kinds of which one line is one input, however much it asks for."""


class InputRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One input of answers, or of a function's results."""

    kind: InputKind
    what: str
    place: tuple[str, int | None]
    name: str = ""
    """A variable, a file, `host:port`, a program, a statement without its values; "" when it can't be told."""
    more: int = 0
    """How many other statements the same line has run."""
    refreshed: bool = False
    """Whether it is read again in time."""
    declared: bool = False
    """Whether the route says that it is meant."""

    @property
    def silent(self) -> bool:
        """Whether its value is frozen, and nobody said that this is meant."""
        return not (self.refreshed or self.declared)

    @property
    def identity(self) -> tuple[object, ...]:
        """What tells it from the other inputs of a route."""
        told_by = () if self.kind in _BY_LINE else (self.what, self.name)
        return (self.kind, self.place, *told_by)

    @property
    def subject(self) -> str:
        """In as few words as tell it: "env API_URL", "database"."""
        return f"{self.kind} {self.name}" if self.name and self.kind is not InputKind.DATABASE else str(self.kind)

    @property
    def detail(self) -> str:
        """What `subject` leaves out: "sqlite3 execute: SELECT …"; "" where there is no more to say."""
        if self.kind is not InputKind.DATABASE:
            return "" if self.name else self.what
        rest = f" and {self.more} more" if self.more else ""
        return f"{self.what}: {self.name}{rest}" if self.name else f"{self.what}{rest}"

    def __str__(self) -> str:
        detail = f"{self.detail}, " if self.detail else ""
        return f"{self.subject} ({detail}{Place(*self.place)})"


class FunctionRecord(msgspec.Struct, frozen=True):
    """A cached function that was filled for the build, and has used something."""

    name: str
    place: tuple[str, int | None]
    inputs: list[InputRecord]
    routes: list[str]
    """The patterns of the routes whose answers hold a result of it, by way of other functions or not."""

    @property
    def label(self) -> str:
        """What reports call it."""
        return f"@cached {self.name}"


class RouteInputs(NamedTuple):
    """The inputs of a route, and by the key of a page which of them are its."""

    records: list[InputRecord]
    by_key: dict[str, list[int]]


def inputs_of(result: RouteResult) -> RouteInputs:
    """Those of the paths that were rendered. An input is frozen if it is in one of them."""
    found: dict[tuple[object, ...], InputRecord] = {}
    by_key: dict[str, list[tuple[object, ...]]] = {}
    for page in result.rendered:
        used = _of_page(page, result.route.config.frozen_ok)
        by_key[page.target.key] = [record.identity for record in used]
        for record in used:
            if found.setdefault(record.identity, record).refreshed:
                found[record.identity] = record
    numbers = {identity: number for number, identity in enumerate(found)}
    return RouteInputs(
        list(found.values()), {key: [numbers[identity] for identity in used] for key, used in by_key.items()}
    )


def functions_of(observed: ObservedFunctions, results: Sequence[RouteResult]) -> list[FunctionRecord]:
    """Those that have used something themselves, in the order of the pages that use them.

    Which of them ran first, and in which order one has used things, differs from build to build: that isn't told.
    """
    users: dict[CachedFunction, dict[str, None]] = {}
    for result in results:
        for page in result.rendered:
            for function in sorted(_reached(page, observed), key=_where):
                users.setdefault(function, {})[result.route.pattern] = None
    unused = sorted(observed.by_function.keys() - users.keys(), key=_where)
    by_use = ((function, observed.by_function.get(function)) for function in (*users, *unused))
    return [
        FunctionRecord(
            function.name,
            (function.place.file, function.place.line),
            _of_function(found),
            list(users.get(function, ())),
        )
        for function, found in by_use
        if found is not None and found.inputs.observed
    ]


def _of_page(page: Page, declared: Iterable[Allowance]) -> list[InputRecord]:
    if page.inputs is None or page.entry is None:
        return []
    revalidate = page.entry.revalidate
    return [
        msgspec.structs.replace(
            record,
            refreshed=is_refreshed(record.kind, revalidate),
            declared=any(allowance.covers(record.kind, record.name) for allowance in declared),
        )
        for record in merged(page.inputs.observed)
    ]


def _of_function(found: ObservedFunction) -> list[InputRecord]:
    return [
        msgspec.structs.replace(record, refreshed=not found.kept and record.kind is not InputKind.ENV)
        for record in merged(sorted(found.inputs.observed, key=_where))
    ]


def _where(one: CachedFunction | Observation) -> tuple[object, ...]:
    """The place first, and then what else there is to say."""
    return (one.place.file, one.place.line or 0, *map(str, one))


def merged(observed: Iterable[Observation]) -> list[InputRecord]:
    """One record for each input and line, in their order; nothing is said of them yet."""
    observations = list(observed)
    whole = {one.place for one in observations if one.name == EVERY_VARIABLE}
    asked = any(_asks(one) for one in observations)
    groups: dict[tuple[object, ...], list[Observation]] = {}
    for one in observations:
        hidden = one.kind is InputKind.ENV and one.place in whole and one.name != EVERY_VARIABLE
        if hidden or (one.kind is InputKind.DATABASE and asked and not _asks(one)):
            continue
        groups.setdefault(_record([one]).identity, []).append(one)
    return [_record(group) for group in groups.values()]


def _asks(one: Observation) -> bool:
    """Whether a database was asked for something; being connected to it says less."""
    return one.kind is InputKind.DATABASE and not connects(one.what)


def _record(group: Sequence[Observation]) -> InputRecord:
    names = list(dict.fromkeys(one.name for one in group if one.name))
    first = group[0]
    return InputRecord(
        kind=first.kind,
        what=first.what,
        place=(first.place.file, first.place.line),
        name=names[0] if names else "",
        more=len(names[1:]) if first.kind is InputKind.DATABASE else 0,
    )


def _reached(page: Page, observed: ObservedFunctions) -> set[CachedFunction]:
    """The functions whose results the page holds, directly or in another's."""
    ahead = list(page.inputs.functions) if page.inputs is not None else []
    reached: set[CachedFunction] = set()
    while ahead:
        function = ahead.pop()
        if function not in reached:
            reached.add(function)
            found = observed.by_function.get(function)
            ahead += found.inputs.functions if found is not None else ()
    return reached
