"""The table of metrics in docs/observability.md, made of the instruments: `python tests/telemetry/metric_table.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.telemetry.instruments import INSTRUMENTS, Kind
from millpond.telemetry.prometheus_text import prometheus_name

if TYPE_CHECKING:
    from millpond.telemetry.instruments import Instrument

COLUMNS = ("metric", "in Prometheus", "kind", "attributes", "what it counts")
_SUFFIXES = {Kind.COUNTER: ("_total",), Kind.HISTOGRAM: ("_bucket", "_sum", "_count"), Kind.GAUGE: ("",)}


def series_of(instrument: Instrument) -> dict[str, set[str]]:
    """The names of an instrument's series in Prometheus -> their labels."""
    labels = {each.replace(".", "_") for each in instrument.attributes}
    name = prometheus_name(instrument)
    return {
        f"{name}{suffix}": labels | ({"le"} if suffix == "_bucket" else set()) for suffix in _SUFFIXES[instrument.kind]
    }


def metric_rows() -> list[list[str]]:
    """The rows, as they are in the document."""
    return [
        [
            f"`{each.name}`",
            f"`{prometheus_name(each)}{'_total' if each.kind is Kind.COUNTER else ''}`",
            f"{each.kind}, {('{' not in each.unit and each.unit) or each.unit.strip('{}')}",
            ", ".join(f"`{attribute}`" for attribute in each.attributes),
            each.description,
        ]
        for each in INSTRUMENTS
    ]


if __name__ == "__main__":
    lines = [list(COLUMNS), ["---"] * len(COLUMNS), *metric_rows()]
    print("\n".join(f"| {' | '.join(line)} |" for line in lines).replace("|  |", "| |"))  # noqa: T201
