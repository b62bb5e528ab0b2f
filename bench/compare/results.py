"""Figures, as they are kept: JSON between the run, the report and the chart."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any


@dataclass
class Row:
    """One server in one case: the median of its rounds."""

    peer: str
    title: str
    cpu_us: float
    """Microseconds of processor time for one request, of all the server's processes."""
    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int
    bytes: int
    """Length of the body that it answered before the rounds."""
    rounds: list[float] = field(default_factory=list)
    """The processor time of each round."""


@dataclass
class Case:
    """One kind of requests, and who answered them."""

    title: str
    rows: list[Row]

    def cpu(self, peer: str) -> float | None:
        return next((row.cpu_us for row in self.rows if row.peer == peer), None)

    def row(self, peer: str) -> Row | None:
        return next((row for row in self.rows if row.peer == peer), None)


@dataclass
class Results:
    """All of one run."""

    machine: dict[str, str]
    settings: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    cases: dict[str, Case] = field(default_factory=dict)
    memory: dict[str, dict[str, float]] = field(default_factory=dict)
    """By peer: MiB of PSS, idle, after the load on a few answers, and after thousands were stored."""
    start_up: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """By peer and number of routes: seconds to the first 200, and of processor time."""
    builds: dict[str, dict[str, float]] = field(default_factory=dict)
    """By peer: pages, seconds, processor time, and processor time of a build with one page."""

    profile: dict[str, Any] = field(default_factory=dict)
    """What bench/request_profile.py finds: whose the processor time of each kind of request is."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> Results:
        cases = {
            name: Case(case["title"], [Row(**row) for row in case["rows"]])
            for name, case in values.pop("cases").items()
        }
        return cls(**values, cases=cases)


def middle(values: list[float]) -> float:
    """The median; of nothing, not a number."""
    return median(values) if values else float("nan")
