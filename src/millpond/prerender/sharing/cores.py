"""The cores that this process may use: by its affinity, and by the quota of its container."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OF_THIS_PROCESS = Path("/proc/self/cgroup")


def available_cores(cgroups: Path = _CGROUPS, membership: Path = _OF_THIS_PROCESS) -> int:
    """At least 1.

    Args:
        cgroups: where Linux shows its control groups, version 2.
        membership: says in which of them this process is.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, _quota(cgroups, membership))))


def _quota(cgroups: Path, membership: Path) -> float:
    """How many cores' time the control groups of this process leave it; infinite without a limit."""
    try:
        lines = membership.read_text("utf-8").splitlines()
    except OSError:  # another system than Linux
        return math.inf
    path = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    group = cgroups / path
    return min(_limit(each / "cpu.max") for each in (group, *group.parents) if each.is_relative_to(cgroups))


def _limit(file: Path) -> float:
    """Microseconds of "max 100000", or "150000 100000": how much in which time."""
    try:
        quota, period = file.read_text("utf-8").split()
        return int(quota) / int(period)
    except (OSError, ValueError):  # there is no such file, or it says "max"
        return math.inf
