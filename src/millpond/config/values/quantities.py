"""Sizes and durations in the configuration: plain numbers, or texts with a unit such as "64MB" and "1h"."""

from __future__ import annotations

import math
import re
from enum import Enum
from typing import TYPE_CHECKING, Annotated

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?) ?(B|[KMGT]B|[KMGT]iB)", re.IGNORECASE)
_SIZES = {"b": 1} | {
    f"{prefix}{suffix}": base**power
    for power, prefix in enumerate("kmgt", 1)
    for suffix, base in (("b", 1000), ("ib", 1024))
}
_PERCENT = re.compile(r"(\d{1,2}(?:\.\d{1,15})?) ?%")
_PART = r"(\d{1,15}(?:\.\d{1,15})?) ?(ms|seconds?|sec|s|minutes?|min|m|hours?|h|days?|d|weeks?|w)"
_DURATION = re.compile(rf"{_PART}(?: ?{_PART})*")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

LONGEST = 100 * 365 * 86_400
"""Seconds: no finite duration is longer, as clocks and timers of the system can't be set to more."""
LARGEST = 2**60
"""Bytes: more than any file system holds."""


class Quantity(Enum):
    """What a number in the configuration counts; the value says what may be written, for messages."""

    BYTES = 'a number of bytes, or a size such as "64MB" or "1GiB"'
    SECONDS = 'a number of seconds, or a duration such as "30s", "1h" or "7d"'
    SECONDS_OR_NEVER = 'a number of seconds, a duration such as "30s", "1h" or "7d", or inf for no limit'
    SHARE = 'a share from 0 to less than 1, such as 0.1 or "10%"'
    WHOLE_SECONDS = 'a whole number of seconds, or a duration such as "30s", "1h" or "7d"'


Bytes = Annotated[int, Quantity.BYTES]
Seconds = Annotated[float, Quantity.SECONDS]
SecondsOrNever = Annotated[float, Quantity.SECONDS_OR_NEVER]
Share = Annotated[float, Quantity.SHARE]
WholeSeconds = Annotated[int, Quantity.WHOLE_SECONDS]


def amount(value: object, quantity: Quantity) -> float | None:
    """The number that `value` says; None if it says none that is possible.

    Units of 1000 are written kB, MB, GB and TB, units of 1024 KiB, MiB, GiB and TiB, as in IEC 80000-13. Whether the
    number may be 0 or negative, the key says.
    """
    if isinstance(value, str):
        found = _TEXTS.get(quantity, _seconds_of)(value)
    else:
        found = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if found is None or found != found:  # nan
        return None
    if math.isinf(found):
        return found if quantity is Quantity.SECONDS_OR_NEVER and found > 0 else None
    if quantity is Quantity.SHARE:
        return float(found) if 0 <= found < 1 else None
    whole = quantity in (Quantity.BYTES, Quantity.WHOLE_SECONDS)
    if abs(found) > (LARGEST if quantity is Quantity.BYTES else LONGEST) or (whole and found != int(found)):
        return None
    return int(found) if whole else found


def _bytes_of(text: str) -> float | None:
    found = _SIZE.fullmatch(text.strip())
    return None if found is None else round(float(found[1]) * _SIZES[found[2].lower()])


def _seconds_of(text: str) -> float | None:
    text = text.strip()
    if not _DURATION.fullmatch(text):
        return None
    parts = re.findall(_PART, text)
    seconds = sum(float(number) * _UNITS[unit if unit == "ms" else unit[0]] for number, unit in parts)
    return int(seconds) if seconds == int(seconds) else seconds


def _share_of(text: str) -> float | None:
    found = _PERCENT.fullmatch(text.strip())
    return None if found is None else float(found[1]) / 100


_TEXTS: dict[Quantity, Callable[[str], float | None]] = {Quantity.BYTES: _bytes_of, Quantity.SHARE: _share_of}
"""How a text is read; others are durations."""
