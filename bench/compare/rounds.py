"""Servers under the same load in turn: there and back again, so that a slow minute is everybody's."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from load import CONNECTIONS, Loaded, load
from results import Case, Row, middle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from process import Served


@dataclass(frozen=True)
class Entrant:
    """One server in one case."""

    peer: str
    """Its name in the results; one server may take part twice, with different paths."""
    title: str
    server: Served
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    script: Callable[[int], Path] | None = None
    """By the number of the round, what wrk runs."""
    warm: float = 1.0
    beside: Callable[[], AbstractContextManager[None]] = nullcontext
    """What is open while it is loaded in a round."""


class Wrong(Exception):
    """A server doesn't answer what it is measured for."""


def compare(
    title: str, entrants: list[Entrant], rounds: int, seconds: float, *, connections: int = CONNECTIONS
) -> Case:
    """Load each entrant in each round.

    Raises:
        Wrong: one answers an error, before or under the load.
    """
    lengths = {entrant.peer: _checked(entrant) for entrant in entrants}
    for entrant in entrants:
        _once(replace(entrant, beside=nullcontext), max(1.0, entrant.warm), connections, -1)
    seen: dict[str, list[tuple[float, Loaded]]] = {entrant.peer: [] for entrant in entrants}
    for number in range(rounds):
        for entrant in entrants if number % 2 == 0 else reversed(entrants):
            seen[entrant.peer].append(_once(entrant, seconds, connections, number))
    return Case(title, [_row(entrant, seen[entrant.peer], lengths[entrant.peer]) for entrant in entrants])


def _checked(entrant: Entrant) -> int:
    """The length of what it answers, with the headers of the load; asked twice, so that the second is a hit."""
    path = entrant.path if entrant.script is None else f"{entrant.path}0"
    if entrant.script is not None and not entrant.path.endswith("/"):
        path = entrant.path
    for _ in range(2):
        answer = entrant.server.get(path, entrant.headers)
        if answer.status not in (200, 304):
            raise Wrong(f"{entrant.title} answers {answer.status} to {path}")
    return len(answer.body)  # type: ignore[attr-defined]


def _once(entrant: Entrant, seconds: float, connections: int, number: int) -> tuple[float, Loaded]:
    script = entrant.script(number) if entrant.script is not None else None
    with entrant.beside():
        before = entrant.server.cpu()
        loaded = load(
            entrant.server.port, entrant.path, seconds, headers=entrant.headers, script=script, connections=connections
        )
        spent = entrant.server.cpu() - before
    if loaded.failed and entrant.peer.startswith("millpond"):  # a peer's are told beside its figures
        raise Wrong(f"{entrant.title} failed {loaded.failed} of {loaded.requests} requests for {entrant.path}")
    return spent / max(1, loaded.requests) * 1e6, loaded


def _row(entrant: Entrant, seen: list[tuple[float, Loaded]], length: int) -> Row:
    return Row(
        entrant.peer,
        entrant.title,
        middle([cpu for cpu, _ in seen]),
        middle([loaded.per_second for _, loaded in seen]),
        middle([loaded.p50 for _, loaded in seen]),
        middle([loaded.p99 for _, loaded in seen]),
        sum(loaded.failed for _, loaded in seen),
        length,
        [round(cpu, 2) for cpu, _ in seen],
    )
