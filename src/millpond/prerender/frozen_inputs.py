"""Messages about frozen inputs: remedies, build failures, and unused entries of `frozen_ok`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.observe.environment_variables import EVERY_VARIABLE
from millpond.policy.allowance import Allowance, InputKind
from millpond.prerender.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from millpond.prerender.build_manifest import RouteRecord
    from millpond.prerender.input_records import InputRecord
    from millpond.routes.route_contract import Route

OPTION = "frozen_ok"

_MOST_BY_NAME = 5
"""Files that a suggestion names one by one."""


def remedies(inputs: Iterable[InputRecord], *, cache_components: bool) -> list[str]:
    """How to have these read again, or how to say that they are meant to stay; each a line."""
    listed = list(inputs)
    ways = []
    if any(record.kind is not InputKind.ENV for record in listed):
        in_time = "a @cached function with cache_life()" if cache_components else "revalidate = N"
        ways = [("again in time", in_time), ("when it has changed", "a @cached function with a tag to invalidate")]
    live = "connection() before it" + ("" if cache_components else ', or dynamic = "force-dynamic"')
    ways += [("for each request", live), ("never, and that is meant", suggestion(listed))]
    return [f"{when + ':':<25} {how}" for when, how in ways]


def suggestion(inputs: Iterable[InputRecord]) -> str:
    """The line for a route file that declares these as meant."""
    allowances = list(dict.fromkeys(map(_allowance, inputs)))
    files = [allowance for allowance in allowances if allowance.kind is InputKind.FILE]
    whole = {allowance.kind for allowance in allowances if allowance.name is None}
    whole |= {InputKind.FILE} if len(files) > _MOST_BY_NAME else set()
    entries = dict.fromkeys(str(each.kind if each.kind in whole else each) for each in allowances)
    listed = ", ".join(f'"{entry}"' for entry in entries)
    return f"{OPTION} = ({listed}{',' if len(entries) == 1 else ''})"


def frozen_failures(records: Iterable[RouteRecord], *, cache_components: bool) -> Iterator[Failure]:
    """One for each route whose answers keep inputs that it doesn't declare."""
    for record in records:
        silent = [found for found in record.inputs if found.silent]
        if silent:
            lines = [
                "its answer would keep what these were at this build:",
                *(f"  {found}" for found in silent),
                "To read them:",
                *(f"  {line}" for line in remedies(silent, cache_components=cache_components)),
            ]
            message = "\n".join(f"  {line}" for line in lines)
            yield Failure(record.file, record.pattern, {}, message)


def idle_allowances(routes: Sequence[Route], records: Sequence[RouteRecord]) -> Iterator[str]:
    """A notice for each entry of `frozen_ok` that allows nothing, where the build has rendered the route."""
    for route, record in zip(routes, records, strict=True):
        place = route.place(OPTION)
        if OPTION in route.inherited:  # it may be meant for another route below the folder
            continue
        if route.config.frozen_ok and not record.static:
            yield f"{place}: {OPTION} has no effect, since GET is live; leave it out."
        elif record.paths:
            for allowance in route.config.frozen_ok:
                if not any(allowance.covers(found.kind, found.name) for found in record.inputs):
                    yield f'{place}: {OPTION} has "{allowance}", and the build has seen no such input; leave it out.'


def _allowance(record: InputRecord) -> Allowance:
    named = record.kind in (InputKind.ENV, InputKind.FILE) and record.name not in ("", EVERY_VARIABLE)
    return Allowance(record.kind, record.name if named else None)
