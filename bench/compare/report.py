"""Figures as Markdown: on the terminal, and in the marked part of docs/performance.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from breakdown import HEAD, rows
from targets import targets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from results import Results

BEGIN, END = "<!-- figures: written by bench/compare, not by hand -->", "<!-- end of figures -->"


def markdown(results: Results) -> str:
    """All tables of a run."""
    return "\n".join(_lines(results)) + "\n"


def write_into(document: Path, results: Results) -> None:
    """Put the tables between the document's marks."""
    before, _, rest = document.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n\n{markdown(results)}\n{END}{after}")


def _lines(results: Results) -> Iterator[str]:
    machine, settings = results.machine, results.settings
    yield (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}, {machine['kernel']}, "
        f"Python {machine['python']}. {settings['rounds']} rounds of {settings['seconds']:g} s for each server and "
        f"case; load of the machine before: {settings['load']:.2f}. {settings['date']}."
    )
    yield ""
    yield "Versions: " + ", ".join(f"{name} {version}" for name, version in results.versions.items() if version) + "."
    for name, why in results.missing.items():
        yield f"\nMissing: {name}: {why}."
    yield from _targets(results)
    for case in results.cases.values():
        base = case.row("nginx-return") or case.rows[0]
        yield f"\n### {case.title}\n"
        yield from _table(
            ["server", "CPU µs per request", f"by {base.title}", "requests/s", "p50 ms", "p99 ms"],
            [
                [
                    row.title + (f" ({row.failed} requests failed)" if row.failed else ""),
                    f"{row.cpu_us:.1f}",
                    f"{row.cpu_us / base.cpu_us:.2f}",
                    f"{row.per_second:,.0f}",
                    f"{row.p50_ms:.2f}",
                    f"{row.p99_ms:.2f}",
                ]
                for row in case.rows
            ],
        )
    yield from _memory(results)
    yield from _start_up(results)
    yield from _builds(results)
    if results.profile:
        yield "\n### Where the time goes\n"
        yield from _table(HEAD, list(rows(results)))


def _targets(results: Results) -> Iterator[str]:
    yield "\n### Targets\n"
    lines = []
    for target in targets(results):
        met = {True: "yes", False: "**no**", None: "not measured"}[target.met]
        measured = "" if target.measured is None else _number(target.measured)
        lines.append(
            [target.text, f"{'at least' if target.at_least else 'at most'} {_number(target.limit)}", measured, met]
        )
    yield from _table(["what (ratios of CPU, where nothing else is said)", "target", "measured", "met"], lines)


def _memory(results: Results) -> Iterator[str]:
    if results.memory:
        yield "\n### Memory, MiB (PSS of all processes of a server)\n"
        columns = ("idle", "loaded", "full")
        lines = [[name, *(f"{each[column]:.0f}" for column in columns)] for name, each in results.memory.items()]
        yield from _table(["server", "idle", "after the load", "with thousands of answers"], lines)


def _start_up(results: Results) -> Iterator[str]:
    if results.start_up:
        yield "\n### Start-up: seconds to the first answer (of which CPU)\n"
        counts = sorted({count for each in results.start_up.values() for count in each}, key=int)
        lines = [
            [name, *(f"{each[n]['seconds']:.2f} ({each[n]['cpu']:.2f})" if n in each else "" for n in counts)]
            for name, each in results.start_up.items()
        ]
        yield from _table(["server", *(f"{int(count):,} routes" for count in counts)], lines)


def _builds(results: Results) -> Iterator[str]:
    if results.builds:
        yield "\n### Builds\n"
        lines = [
            [
                name,
                f"{each['pages']:,.0f}",
                f"{each['all_seconds']:.1f}",
                f"{each['all_cpu']:.1f}",
                f"{each['one_cpu']:.1f}",
                f"{(each['pages'] - 1) / max(0.01, each['all_cpu'] - each['one_cpu']):,.0f}",
            ]
            for name, each in results.builds.items()
        ]
        head = ["server", "pages", "seconds", "CPU s", "CPU s for one page", "pages per CPU second"]
        yield from _table(head, lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|---" + "|--:" * (len(head) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
