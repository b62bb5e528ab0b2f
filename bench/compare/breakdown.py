"""Where the time goes: what a server spends, the floor below it, and whose the rest is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from peers.peer import BIN, HERE, output
from process import SERVER_CORE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results import Results

HEAD = ["what", "CPU µs", "the floor", "CPU µs", "Python alone, µs", "whose"]
_LEAST_SHARE = 0.03


class Kind(NamedTuple):
    """What is taken apart: names of bench/request_profile.py's, and of rows of cases."""

    text: str
    profiled: str
    measured: tuple[str, str]
    floor: tuple[str, str]
    floor_text: str


KINDS = (
    Kind("a hit at the socket", "socket", ("hits", "millpond"), ("hits", "bare-protocol"), "a bare asyncio protocol"),
    Kind("the same", "socket", ("hits", "millpond"), ("hits", "nginx-return"), "nginx, return"),
    Kind("a hit through ASGI", "asgi", ("hits", "millpond-asgi"), ("hits", "raw-asgi"), "a constant ASGI app"),
    Kind("a live answer", "live", ("live", "millpond"), ("live", "fastapi-raw"), "FastAPI's ready Response"),
    Kind("a miss", "miss", ("misses", "millpond"), ("live", "millpond"), "a live answer"),
)


def profile() -> dict[str, Any]:
    """What bench/request_profile.py finds, on the servers' core."""
    program = str(HERE.parent / "request_profile.py")
    found: dict[str, Any] = json.loads(output(["taskset", "-c", SERVER_CORE, str(BIN / "python"), program, "--json"]))
    return found


def rows(results: Results) -> Iterator[list[str]]:
    """The table: microseconds of processor time for one request; a start in milliseconds."""
    shown = set()
    for kind in KINDS:
        found = results.profile["requests"][kind.profiled]
        known = [f"{found['us']:.1f}", owners(found["shares"], found["us"])]
        yield [
            kind.text,
            _cpu(results, kind.measured),
            kind.floor_text,
            _cpu(results, kind.floor),
            *(known if kind.profiled not in shown else ["", ""]),
        ]
        shown.add(kind.profiled)
    start, begun = results.profile["start"], results.start_up
    ours, theirs = (begun.get(name, {}).get("1", {}).get("cpu") for name in ("millpond", "fastapi"))
    imports = owners(start["imports"], 100)
    yield [
        "a start with one route, **ms**",
        "" if ours is None else f"{ours * 1e3:.0f}",
        "FastAPI under uvicorn",
        "" if theirs is None else f"{theirs * 1e3:.0f}",
        f"{start['ms']:.0f}",
        (
            f"the interpreter {start['interpreter_ms']:.0f}, FastAPI's and uvicorn's imports "
            f"{start['fastapi_imports_ms']:.0f}; of all imports, in %: {imports}"
        ),
    ]


def owners(shares: dict[str, float], total: float) -> str:
    """Those with a share worth telling, and the rest."""
    told = {name: share for name, share in shares.items() if share >= _LEAST_SHARE}
    named = [*told.items(), ("others", 1 - sum(told.values()))]
    return ", ".join(f"{name} {_digits(share * total)}" for name, share in named)


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _cpu(results: Results, where: tuple[str, str]) -> str:
    case, peer = where
    found = results.cases[case].cpu(peer) if case in results.cases else None
    return "" if found is None else f"{found:.1f}"
