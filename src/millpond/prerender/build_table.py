"""The table that a build prints (docs/rules.md, section 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from millpond.messages import counted
from millpond.policy.lifetime import YEAR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from millpond.prerender.build_manifest import BuildManifest, PathRecord, RouteRecord
    from millpond.routes.public.public_folder import PublicListing

SLOW = 0.3
"""Seconds from which on the table says how long a path took (R8.4)."""

LEGEND = {
    "○": "static: rendered at build, one answer for everybody",
    "●": "static with parameters: rendered at build, or at the first request for a path",
    "λ": "live: run for each request",
}

_SUBJECTS = 3
"""Frozen inputs that a route's row names."""
_VALUES = 5
"""Values of a part of the key that a route's row names."""
_GAP = 2


class Row(NamedTuple):
    """One line of the table."""

    route: str
    revalidate: str = ""
    expire: str = ""
    why: str = ""


def build_table(manifest: BuildManifest, public: PublicListing, width: int) -> Table:
    """The routes of a build, and `public/` in one row, for a console of `width` columns."""
    rows = list(_rows(sorted(manifest.routes, key=lambda record: record.pattern), public))
    return route_table(["Route", "Revalidate", "Expire", "Why"], rows, width)


def route_table(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Table:
    """A table whose last column is folded where the console has no room for it, between words.

    Nothing is cut off, and no path in the middle: where that needs more columns than `width`, the table has more. A
    column without any value is left out.
    """
    shown = [n for n in range(len(headings)) if n in (0, len(headings) - 1) or any(row[n] for row in rows)]
    natural = [max(len(headings[n]), *(_width(row[n]) for row in rows), 0) for n in shown]
    room = width - sum(natural[1:-1]) - _GAP * (len(shown) - 1)
    words = [word for row in rows for word in row[shown[-1]].split()]
    longest = max([len(headings[shown[-1]]), *(Text(word).cell_len for word in words)])
    last = min(natural[-1], max(room - natural[0], longest))
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    for n, size in zip(shown, [*natural[:-1], last], strict=True):
        table.add_column(headings[n], width=size, overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[n]) for n in shown))
    return table


def columns_of(table: Table) -> int:
    """How many columns of a console a table of `route_table` takes."""
    return sum(column.width or 0 for column in table.columns) + _GAP * len(table.columns)


def _width(text: str) -> int:
    """Columns of the longest line."""
    return max(Text(line).cell_len for line in text.split("\n"))


def legend(glyphs: Sequence[str]) -> list[str]:
    """One line for each glyph that is used (R8.3)."""
    return [f"{glyph}  {meaning}" for glyph, meaning in LEGEND.items() if glyph in glyphs]


def public_cell(public: PublicListing) -> str:
    """How much `public/` holds: `12 files, 340.2 kB`."""
    return f"{counted(len(public.files), 'file')}, {decimal(public.bytes)}"


def _rows(records: Sequence[RouteRecord], public: PublicListing) -> Iterator[Row]:
    number = len(records) + bool(public.files)
    for position, record in enumerate(records):
        last = position == number - 1
        corner = "─" if number == 1 else "└" if last else "├" if position else "┌"
        parameterised = "[" in record.pattern
        varied = any(path.variant for path in record.paths)
        own = "" if parameterised or varied or not record.paths else _took(record.paths[0].seconds)
        yield Row(
            f"{corner} {record.glyph} {record.pattern}{own}",
            duration_cell(record.revalidate),
            duration_cell(record.expire),
            _why(record),
        )
        if parameterised or varied:
            yield from _children(record, " " if last else "│")
    if public.files:
        yield Row(f"{'└' if records else '─'}   {public.folder}/", why=public_cell(public))


def _why(record: RouteRecord) -> str:
    """The reason, and on lines of their own what its key has besides, and what it froze without saying so."""
    subjects = list(dict.fromkeys(found.subject for found in record.inputs if found.silent))
    rest = f" and {len(subjects) - _SUBJECTS} more" if len(subjects) > _SUBJECTS else ""
    frozen = f"\nfroze: {', '.join(subjects[:_SUBJECTS])}{rest}" if subjects else ""
    variation = record.variation if record.static else None
    varies = "" if variation is None else f"\n{varies_line(variation.parts)}"
    return f"{record.reason}{varies}{frozen}"


def varies_line(parts: Mapping[str, Sequence[str]]) -> str:
    """What a key has besides path and query: `varies by host, cookie:theme (light, dark)`."""
    shown = [f"{name} ({_some(values)})" if values else name for name, values in parts.items()]
    return f"varies by {', '.join(shown)}"


def _some(values: Sequence[str]) -> str:
    more = f" and {len(values) - _VALUES} more" if len(values) > _VALUES else ""
    return f"{', '.join(values[:_VALUES])}{more}"


def _children(record: RouteRecord, trunk: str) -> Iterator[Row]:
    """The paths of a parameterised route; the glyph is said again only where it differs (R8.5)."""
    shown, rest = preview(record.paths)
    glyph = " " if record.glyph != "λ" else "●"
    for position, path in enumerate(shown):
        corner = "└" if position == len(shown) - 1 and not rest else "├"
        yield Row(
            f"{trunk} {corner} {glyph} {path.readable}{_took(path.seconds)}",
            duration_cell(path.revalidate),
            duration_cell(path.expire),
        )
    if rest:
        average = sum(path.seconds for path in rest) / len(rest)
        yield Row(f"{trunk} └   [+{len(rest)} more paths]{_took(average, 'avg ')}")


def preview(paths: Sequence[PathRecord]) -> tuple[list[PathRecord], list[PathRecord]]:
    """The paths that the table shows, and those it counts (R8.4).

    Three, or four where there are just four; when any was slow, seven or eight, slowest first.
    """
    ordered, most = list(paths), 3
    if any(path.seconds > SLOW for path in paths):
        ordered.sort(key=lambda path: -path.seconds if path.seconds > SLOW else 0)
        most = 7
    if len(ordered) == most + 1:
        most += 1
    return ordered[:most], ordered[most:]


def _took(seconds: float, prefix: str = "") -> str:
    return f" ({prefix}{seconds * 1000:.0f} ms)" if seconds > SLOW else ""


_UNITS = (("y", YEAR), ("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def duration_cell(seconds: float | None) -> str:
    """A duration as the build table shows it: the largest fitting unit, `≈` where rounded (R8.6)."""
    if not seconds:
        return ""
    for position, (unit, size) in enumerate(_UNITS):
        if seconds < size:
            continue
        if seconds % size == 0:
            return f"{seconds // size:g}{unit}"
        if unit in "dw":
            smaller, smaller_size = _UNITS[position + 1]
            if seconds % smaller_size == 0:
                return f"{seconds // smaller_size:g}{smaller}"
        return f"≈{int(seconds / size + 0.5)}{unit}"  # halves go up, as there: round() would make 2.5 h 2 h
    return f"{seconds:g}s"
