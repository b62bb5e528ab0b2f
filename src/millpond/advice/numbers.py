"""Numbers in sentences of advice."""

from __future__ import annotations

_STEPS = (10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 604_800, 2_592_000)


def figure(number: float) -> str:
    """1,234; 12.5; 0.5."""
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:.1f}"


def size(number: float) -> str:
    """432 B, 4.1 kB."""
    units = ["B", "kB", "MB", "GB"]
    while number >= 1000 and len(units) > 1:
        number, units = number / 1000, units[1:]
    return f"{number:.0f} {units[0]}" if units[0] == "B" else f"{number:.1f} {units[0]}"


def span(seconds: float) -> str:
    """9 ms, 1.3 s, 5 min, 2 h, 3 days."""
    if seconds < 1:
        return f"{max(1, round(seconds * 1000))} ms"
    for limit, divisor, unit in ((90, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / divisor:.3g} {unit}"
    return f"{seconds / 86_400:.3g} days"


def lifetime(seconds: float) -> int:
    """A round number of seconds, the largest that isn't above the given one; at least ten."""
    return next((step for step in reversed(_STEPS) if step <= seconds), _STEPS[0])


def seconds_in_code(seconds: float) -> str:
    """As Python writes it: 86_400."""
    return f"{int(seconds):_}"
