"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path


def facts() -> dict[str, str]:
    """Processor, cores, memory, kernel and Python of this machine."""
    processor = re.search(r"model name\s*:\s*(.+)", _text("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s*(\d+)", _text("/proc/meminfo"))
    return {
        "processor": processor[1] if processor else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "unknown",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def version_of(*command: str) -> str:
    """The first number with dots in what a command prints; "missing" where there is no such command."""
    if shutil.which(command[0]) is None:
        return "missing"
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - names of servers
    found = re.search(r"\d+(?:\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else "unknown"


def install(packages: dict[str, str]) -> None:
    """Install those of Debian's packages whose command is missing; does nothing where that isn't possible.

    Args:
        packages: by command.
    """
    missing = [package for command, package in packages.items() if shutil.which(command) is None]
    if missing and shutil.which("apt-get") is not None and os.geteuid() == 0:
        quietly = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        for command in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
            subprocess.run(["apt-get", *command], check=False, **quietly)  # type: ignore[call-overload] # noqa: S603, S607


def load() -> float:
    """How many processes wanted to run in the last minute: beyond this run's own two, figures are noise."""
    return os.getloadavg()[0]


def _text(path: str) -> str:
    file = Path(path)
    return file.read_text() if file.exists() else ""
