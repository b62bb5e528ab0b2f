"""The hits as a picture: bars of CPU time per request, on a logarithmic scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

if TYPE_CHECKING:
    from pathlib import Path

    from results import Case

WIDTH, LEFT, RIGHT, TOP, ROW = 860, 250, 110, 74, 34
OURS, OTHERS, INK, FAINT = "#1f7a8c", "#a9b8c0", "#22313a", "#dfe6ea"
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"

_STEPS = [factor * 10.0**power for power in range(6) for factor in (1, 2, 5)]


def draw(case: Case, file: Path) -> None:
    """Write the case as an SVG picture."""
    rows = sorted(case.rows, key=lambda row: row.cpu_us)
    least, most = 5.0, next(tick for tick in _STEPS if tick >= 1.1 * max(row.cpu_us for row in rows))
    height = TOP + ROW * len(rows) + 46
    svg = Xml.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH} {height}",
            "font-family": FONT,
            "role": "img",
            "aria-label": "CPU time of one hit, by server",
        },
    )
    _rectangle(svg, 0, 0, WIDTH, height, "#ffffff")
    _text(svg, 24, 32, "CPU time of one hit, in microseconds", size=19, weight="600")
    _text(
        svg,
        24,
        54,
        "One core, 64 connections, the same kilobyte of JSON. Logarithmic scale; shorter is better.",
        size=13,
    )

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(value / least) / math.log(most / least)

    for tick in _ticks(least, most):
        _line(svg, x(tick), TOP, height - 38)
        _text(svg, x(tick), height - 18, f"{tick:g}", size=12, anchor="middle")
    for number, row in enumerate(rows):
        y = TOP + ROW * number
        ours = row.peer.startswith("millpond")
        _text(svg, LEFT - 12, y + 21, row.title, size=14, anchor="end", weight="600" if ours else "400")
        _rectangle(svg, LEFT, y + 6, x(row.cpu_us) - LEFT, ROW - 12, OURS if ours else OTHERS)
        _text(svg, x(row.cpu_us) + 8, y + 21, f"{row.cpu_us:.1f}", size=13)
    Xml.indent(svg)
    file.write_text(Xml.tostring(svg, encoding="unicode") + "\n", "utf-8")


def _ticks(least: float, most: float) -> list[float]:
    return [step for step in _STEPS if least <= step <= most]


def _rectangle(svg: Xml.Element, x: float, y: float, width: float, height: float, fill: str) -> None:
    sizes = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{width:.1f}", "height": f"{height:.1f}"}
    Xml.SubElement(svg, "rect", {**sizes, "fill": fill})


def _line(svg: Xml.Element, x: float, top: float, bottom: float) -> None:
    ends = {"x1": f"{x:.1f}", "x2": f"{x:.1f}", "y1": f"{top:.1f}", "y2": f"{bottom:.1f}"}
    Xml.SubElement(svg, "line", {**ends, "stroke": FAINT})


def _text(
    svg: Xml.Element, x: float, y: float, text: str, *, size: int, anchor: str = "start", weight: str = "400"
) -> None:
    where = {"x": f"{x:.1f}", "y": f"{y:.1f}", "font-size": str(size), "text-anchor": anchor, "font-weight": weight}
    Xml.SubElement(svg, "text", {**where, "fill": INK}).text = text
