"""The section *Frozen inputs* under the table that a build prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.errors import Place
from millpond.prerender.build_table import route_table
from millpond.prerender.frozen_inputs import remedies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from millpond.prerender.build_manifest import BuildManifest
    from millpond.prerender.input_records import InputRecord

_LINES = 8
"""Inputs of one route, or function, that are listed."""


def frozen_table(manifest: BuildManifest, width: int) -> Table | None:
    """Every input that was frozen without a declaration; None where there is none."""
    rows = [
        *(row for record in manifest.routes for row in _rows(record.pattern, record.inputs)),
        *(row for function in manifest.functions for row in _rows(function.label, function.inputs)),
    ]
    return route_table(["Frozen inputs", "", "Read at"], rows, width) if rows else None


def frozen_notes(manifest: BuildManifest, *, cache_components: bool) -> list[str]:
    """What it means and what can be done, and how much more is declared; each a line."""
    inputs = [found for record in manifest.routes for found in record.inputs]
    silent = [found for found in inputs if found.silent]
    notes = []
    if silent:
        notes += [
            "Answers keep what these were at this build. To read them",
            *(f"  {line}" for line in remedies(silent, cache_components=cache_components)),
        ]
    if any(found.silent for function in manifest.functions for found in function.inputs):
        notes.append("A @cached function reads its inputs again with a lifetime, or when a tag of it is invalidated.")
    declared = sum(found.declared and not found.refreshed for found in inputs)
    if declared:
        notes.append(f"{declared} frozen {'input is' if declared == 1 else 'inputs are'} declared with frozen_ok.")
    return notes


def _rows(owner: str, inputs: list[InputRecord]) -> Iterator[tuple[str, str, str]]:
    silent = [found for found in inputs if found.silent]
    for number, found in enumerate(silent[:_LINES]):
        detail = f" · {found.detail}" if found.detail else ""
        yield owner if number == 0 else "", found.subject, f"{Place(*found.place)}{detail}"
    if len(silent) > _LINES:
        yield "", f"and {len(silent) - _LINES} more", ""
