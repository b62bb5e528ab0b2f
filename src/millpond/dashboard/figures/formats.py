"""How figures are written: with separators, units and UTC, the same everywhere."""

from __future__ import annotations

from datetime import UTC, datetime

_SIZES = ("B", "kB", "MB", "GB", "TB")


def count(number: float) -> str:
    """A number with separators: 12,345."""
    return f"{round(number):,}"


def rate(per_second: float) -> str:
    """A number for each second: 0.02, 40.9, 1,234."""
    if per_second >= 100:
        return count(per_second)
    return f"{per_second:.1f}" if per_second >= 10 else f"{per_second:.2f}"


def percent(part: float, whole: float) -> str:
    """A share without its sign: 98.9. An empty whole has none: it is a dash."""
    return f"{100 * part / whole:.1f}" if whole else "\N{EN DASH}"


def duration(seconds: float) -> str:
    """9 ms, 1.73 s, 33m 25s, 5h 12m, 3d 4h."""
    if seconds < 0.0095:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86_400)
    if hours == 0:
        return f"{minutes}m {int(seconds % 60):02}s"
    return f"{hours}h {minutes % 60:02}m" if days == 0 else f"{days}d {hours % 24}h"


def size(number: float) -> str:
    """432 B, 4.1 kB."""
    value, unit = float(number), 0
    while value >= 999.95 and unit < len(_SIZES) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} B" if unit == 0 else f"{value:.1f} {_SIZES[unit]}"


def clock(at: float) -> str:
    """The time of day in UTC: 14:36:08."""
    return _utc(at).strftime("%H:%M:%S")


def minute(at: float) -> str:
    """The time of day in UTC, without seconds."""
    return _utc(at).strftime("%H:%M")


def day(at: float) -> str:
    """The date in UTC: 2026-11-29."""
    return _utc(at).strftime("%Y-%m-%d")


def iso(at: float) -> str:
    """For `datetime`: 2026-11-29T14:36:08Z."""
    return _utc(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
