"""Load, by wrk: requests, and how long they took."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from process import CLIENT_CORE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CONNECTIONS = 64
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}

BROWSER = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Cache-Control": "no-cache",
    "Referer": "http://127.0.0.1/somewhere/else/on/the/same/site?with=a&query=string",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0",
}
"""What a browser sends; without Accept-Encoding, which makes some peers compress each answer anew."""


class Loaded(NamedTuple):
    """What one run of wrk saw."""

    requests: int
    per_second: float
    p50: float
    """Milliseconds."""
    p99: float
    failed: int
    """Answers other than 2xx and 3xx, and errors of the connection."""


def load(
    port: int,
    path: str,
    seconds: float,
    *,
    headers: Mapping[str, str] | None = None,
    script: Path | None = None,
    connections: int = CONNECTIONS,
) -> Loaded:
    """Ask as fast as answers come, on keep-alive connections, from the other core.

    Args:
        port: of a server on this machine.
        path: what to ask for, where no script says so.
        seconds: how long; whole ones.
        headers: of each request, besides Host.
        script: Lua for wrk, which makes the requests.
        connections: at once.
    """
    command = ["taskset", "-c", CLIENT_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--latency"]
    command += ["--timeout", "15s"]
    for name, value in (headers or {}).items():
        command += ["-H", f"{name}: {value}"]
    if script is not None:
        command += ["-s", str(script)]
    command.append(f"http://127.0.0.1:{port}{path}")
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)  # noqa: S603
    return _parsed(done.stdout)


def _parsed(text: str) -> Loaded:
    requests = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if requests is None or rate is None:
        raise ValueError(f"wrk said: {text}")
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    failed = (int(other[1]) if other else 0) + (sum(map(int, errors.groups())) if errors else 0)
    return Loaded(int(requests[1]), float(rate[1]), _latency(text, "50%"), _latency(text, "99%"), failed)


def _latency(text: str, share: str) -> float:
    found = re.search(rf"^\s+{share}\s+([\d.]+)([a-z]+)", text, re.MULTILINE)
    return float(found[1]) * _UNITS[found[2]] if found else float("nan")
