"""The ratios that a change must not make worse: a short run for CI, beside floors that every machine has.

Some are of servers under load. Each is loaded once in each round, there and back again, so a slow minute is
everybody's, and a ratio is the median of those of the rounds. Others are of requests in one process, by
bench/request_profile.py, which other processes disturb least: misses above all, that use several threads. A ratio that
is too high is measured again, longer, before it counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from growth import first_answer
from load import BROWSER
from peers.peer import BIN, HERE, output
from process import SERVER_CORE
from results import middle

if TYPE_CHECKING:
    from bench import Bench
    from peers.peer import Scratch
    from rounds import Entrant

PEERS = ("millpond", "millpond-asgi", "millpond-log", "bare-protocol", "raw-asgi", "fastapi-plain", "nginx")
USUAL = HERE.parent / "results" / "gate.json"
"""The ratios that `--gate --renew` measured last."""
TOLERANCE = 1.3
"""By how much a ratio may be worse than usual: twice what runs on a machine with a load of eight differ by, or more."""
ROUNDS, MORE_ROUNDS = 5, 8
"""Of load; a start and a run of bench/request_profile.py take longer, so there are fewer of these."""
PAIRS, MORE_PAIRS = 3, 4


class Compared(NamedTuple):
    """One ratio: whose processor time, by whose."""

    text: str
    ours: str
    theirs: str


UNDER_LOAD: dict[str, Compared] = {
    "hit": Compared("a hit, by an asyncio protocol that writes constant bytes", "hit", "bare"),
    "hit-nginx": Compared("a hit, by nginx `return`", "hit", "nginx"),
    "browser": Compared("a hit with a browser's headers, by a plain one", "browser", "hit"),
    "304": Compared("a 304, by a hit", "304", "hit"),
    "log": Compared("a hit with the access log, by one without", "log", "hit"),
    "asgi": Compared("a hit through ASGI, by a constant ASGI app", "asgi", "raw"),
}
IN_PROCESS: dict[str, Compared] = {
    "python-hit": Compared("Python of a hit at the socket, by a constant ASGI app's", "socket", "constant"),
    "python-asgi": Compared("Python of a hit through ASGI, by a constant ASGI app's", "asgi", "constant"),
    "python-live": Compared("Python of a live answer, by that of FastAPI's ready Response", "live", "fastapi"),
    "python-miss": Compared("Python of a miss, by that of FastAPI's ready Response", "miss", "fastapi"),
}
START = "start"
TEXTS = {name: each.text for name, each in (UNDER_LOAD | IN_PROCESS).items()} | {
    START: "`millpond start` until its first answer, by FastAPI under uvicorn"
}


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
    wanted = [name for name, each in UNDER_LOAD.items() if {each.ours, each.theirs} <= set(entrants)]
    seen = _loaded(bench, entrants, wanted, ROUNDS)
    seen |= _in_process(list(IN_PROCESS), PAIRS)
    seen[START] = _starts(bench, scratch, PAIRS)
    too_high = [verdict.name for verdict in _verdicts(seen, usual) if not verdict.holds]
    again = _loaded(bench, entrants, [name for name in too_high if name in UNDER_LOAD], MORE_ROUNDS)
    again |= _in_process([name for name in too_high if name in IN_PROCESS], MORE_PAIRS)
    if START in too_high:
        again[START] = _starts(bench, scratch, MORE_PAIRS)
    return _verdicts({name: values + again.get(name, []) for name, values in seen.items()}, usual)


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
    return [Verdict(name, TEXTS[name], middle(values), usual.get(name)) for name, values in seen.items()]


def _entrants(bench: Bench) -> dict[str, Entrant]:
    """By the names in UNDER_LOAD, in an order that puts next to each other what is compared."""
    found = {
        "nginx": bench.entrant("nginx", "return", name="nginx"),
        "bare": bench.entrant("bare-protocol", name="bare"),
        "hit": bench.entrant("millpond", name="hit"),
        "browser": bench.entrant("millpond", name="browser", headers=BROWSER),
        "304": bench.entrant("millpond", name="304", headers=bench.etag("millpond")),
        "log": bench.entrant("millpond-log", name="log"),
        "raw": bench.entrant("raw-asgi", name="raw"),
        "asgi": bench.entrant("millpond-asgi", name="asgi"),
    }
    return {name: entrant[0] for name, entrant in found.items() if entrant}


def _loaded(bench: Bench, entrants: dict[str, Entrant], ratios: list[str], rounds: int) -> dict[str, list[float]]:
    """By ratio, its value in each round."""
    taking_part = {each for name in ratios for each in (UNDER_LOAD[name].ours, UNDER_LOAD[name].theirs)}
    running = [[entrant] for name, entrant in entrants.items() if name in taking_part]
    if not running:
        return {}
    cpu = {row.peer: row.rounds for row in bench.compare("gate", *running, rounds=rounds).rows}
    return {name: _quotients(cpu[UNDER_LOAD[name].ours], cpu[UNDER_LOAD[name].theirs]) for name in ratios}


def _in_process(ratios: list[str], runs: int) -> dict[str, list[float]]:
    """By ratio, its value in each run of bench/request_profile.py."""
    if not ratios:
        return {}
    command = ["taskset", "-c", SERVER_CORE, str(BIN / "python"), str(HERE.parent / "request_profile.py")]
    found = [json.loads(output([*command, "--totals", "--json"]))["requests"] for _ in range(runs)]

    def times(kind: str) -> list[float]:
        return [each[kind]["us"] for each in found]

    return {name: _quotients(times(IN_PROCESS[name].ours), times(IN_PROCESS[name].theirs)) for name in ratios}


def _quotients(ours: list[float], theirs: list[float]) -> list[float]:
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def _starts(bench: Bench, scratch: Scratch, pairs: int) -> list[float]:
    """Starts in turn: the ratio of each pair."""
    ours, theirs = bench.peers["millpond-log"], bench.peers["fastapi-plain"]
    return [
        first_answer(ours, ours.paths["hit"], scratch)["cpu"]
        / first_answer(theirs, theirs.paths["raw"], scratch)["cpu"]
        for _ in range(pairs)
    ]
