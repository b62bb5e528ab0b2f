"""The ratios that a change must not make worse: a short run for CI, beside floors that every machine has.

Each server is loaded once in each round, there and back again, so a slow minute is everybody's. A ratio is the median
of those of the rounds. One that is too high is measured again, longer, before it counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import scripts
from growth import first_answer
from load import BROWSER
from peers.peer import HERE
from results import middle

if TYPE_CHECKING:
    from pathlib import Path

    from bench import Bench
    from peers.peer import Scratch
    from rounds import Entrant

PEERS = ("millpond", "millpond-asgi", "millpond-log", "bare-protocol", "raw-asgi", "fastapi-plain", "nginx")
USUAL = HERE.parent / "results" / "gate.json"
"""The ratios that `--gate --renew` measured last."""
TOLERANCE = 1.3
"""By how much a ratio may be worse than usual: twice what the medians of runs on a busy machine differ by."""
ROUNDS, MORE_ROUNDS, STARTS, MORE_STARTS = 5, 8, 3, 4
PATHS = 1000


class Compared(NamedTuple):
    """One ratio: whose processor time, by whose."""

    text: str
    ours: str
    theirs: str


RATIOS: dict[str, Compared] = {
    "hit": Compared("a hit, by an asyncio protocol that writes constant bytes", "hit", "bare"),
    "hit-nginx": Compared("a hit, by nginx `return`", "hit", "nginx"),
    "browser": Compared("a hit with a browser's headers, by a plain one", "browser", "hit"),
    "304": Compared("a 304, by a hit", "304", "hit"),
    "log": Compared("a hit with the access log, by one without", "log", "hit"),
    "paths": Compared(f"a hit on any of {PATHS:,} paths, by one on one path", "paths", "hit"),
    "asgi": Compared("a hit through ASGI, by a constant ASGI app", "asgi", "raw"),
    "live": Compared("a live answer, by FastAPI's ready Response", "live", "fastapi"),
    "miss": Compared("a miss, by FastAPI's ready Response", "miss", "fastapi"),
}
START = "start"
START_TEXT = "CPU of `millpond start` until its first answer, by FastAPI's under uvicorn"


@dataclass(frozen=True)
class Verdict:
    """One ratio of a run."""

    name: str
    text: str
    measured: float
    usual: float | None
    """None where it was never kept."""

    @property
    def bound(self) -> float | None:
        return None if self.usual is None else self.usual * TOLERANCE

    @property
    def holds(self) -> bool:
        return self.bound is None or self.measured <= self.bound


def gate(bench: Bench, scratch: Scratch, usual: dict[str, float]) -> list[Verdict]:
    """Measure all ratios, and those that are too high again."""
    entrants = _entrants(bench)
    bench.ask_each("millpond", "cold", PATHS, 3)
    wanted = [name for name, each in RATIOS.items() if {each.ours, each.theirs} <= set(entrants)]
    seen = _measured(bench, entrants, wanted, ROUNDS)
    seen[START] = _starts(bench, scratch, STARTS)
    too_high = [verdict.name for verdict in _verdicts(seen, usual) if not verdict.holds]
    for name, values in _measured(bench, entrants, [name for name in too_high if name != START], MORE_ROUNDS).items():
        seen[name] += values
    if START in too_high:
        seen[START] += _starts(bench, scratch, MORE_STARTS)
    return _verdicts(seen, usual)


def kept() -> dict[str, float]:
    """The usual ratios, by name."""
    return json.loads(USUAL.read_text()) if USUAL.exists() else {}


def keep(verdicts: list[Verdict]) -> None:
    """Make the ratios of this run the usual ones; those that weren't measured stay."""
    ratios = kept() | {verdict.name: round(verdict.measured, 3) for verdict in verdicts}
    USUAL.write_text(json.dumps(ratios, indent=1) + "\n")


def table(verdicts: list[Verdict]) -> str:
    """All ratios, as Markdown."""
    rows = ["| what (ratios of CPU) | measured | usual | at most | |", "|---|--:|--:|--:|---|"]
    for each in verdicts:
        known = "| | |" if each.usual is None or each.bound is None else f"| {each.usual:.2f} | {each.bound:.2f} |"
        rows.append(f"| {each.text} | {each.measured:.2f} {known} {'ok' if each.holds else '**too high**'} |")
    return "\n".join(rows) + "\n"


def _verdicts(seen: dict[str, list[float]], usual: dict[str, float]) -> list[Verdict]:
    texts = {name: each.text for name, each in RATIOS.items()} | {START: START_TEXT}
    return [Verdict(name, texts[name], middle(values), usual.get(name)) for name, values in seen.items()]


def _entrants(bench: Bench) -> dict[str, Entrant]:
    """By the names in RATIOS, in an order that puts next to each other what is compared."""
    first = iter(range(1_000_000, 1_000_000_000, 1_000_000))

    def miss(_: int) -> Path:
        return scripts.cold(bench.folder, "/items/", next(first))

    def paths(_: int) -> Path:
        return scripts.keys(bench.folder, "/items/", PATHS)

    found = {
        "nginx": bench.entrant("nginx", "return", name="nginx"),
        "bare": bench.entrant("bare-protocol", name="bare"),
        "hit": bench.entrant("millpond", name="hit"),
        "browser": bench.entrant("millpond", name="browser", headers=BROWSER),
        "304": bench.entrant("millpond", name="304", headers=bench.etag("millpond")),
        "log": bench.entrant("millpond-log", name="log"),
        "paths": bench.entrant("millpond", "cold", name="paths", script=paths),
        "raw": bench.entrant("raw-asgi", name="raw"),
        "asgi": bench.entrant("millpond-asgi", name="asgi"),
        "live": bench.entrant("millpond", "live", name="live"),
        "fastapi": bench.entrant("fastapi-plain", "raw", name="fastapi"),
        "miss": bench.entrant("millpond", "cold", name="miss", script=miss),
    }
    return {name: entrant[0] for name, entrant in found.items() if entrant}


def _measured(bench: Bench, entrants: dict[str, Entrant], ratios: list[str], rounds: int) -> dict[str, list[float]]:
    """By ratio, its value in each round."""
    taking_part = {each for name in ratios for each in (RATIOS[name].ours, RATIOS[name].theirs)}
    running = [[entrant] for name, entrant in entrants.items() if name in taking_part]
    if not running:
        return {}
    case = bench.compare("gate", *running, rounds=rounds)
    cpu = {row.peer: row.rounds for row in case.rows}
    return {
        name: [ours / theirs for ours, theirs in zip(cpu[RATIOS[name].ours], cpu[RATIOS[name].theirs], strict=True)]
        for name in ratios
    }


def _starts(bench: Bench, scratch: Scratch, pairs: int) -> list[float]:
    """Starts in turn: the ratio of each pair."""
    ours, theirs = bench.peers["millpond-log"], bench.peers["fastapi-plain"]
    return [
        first_answer(ours, ours.paths["hit"], scratch)["cpu"]
        / first_answer(theirs, theirs.paths["raw"], scratch)["cpu"]
        for _ in range(pairs)
    ]
