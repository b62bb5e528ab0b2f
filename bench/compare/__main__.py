"""Millpond beside nginx, Varnish, Next.js, Nitro, FastAPI with caches, and Litestar: `make bench`.

Everything runs on this machine, servers on one core and load on the other; the peers are installed into .bench. A
quarter of an hour at most; `--quick` takes half of it, and its figures are rough. `--gate` is for CI: two minutes,
without the peers that must be installed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import sys
import time
from pathlib import Path

import gate
import machine
from bench import Bench
from breakdown import profile
from cases import CASES, STORING
from chart import draw
from growth import ROUTES, builds, start_up
from peers import PEERS
from peers.peer import ROOT, Missing, Peer, Scratch
from peers.uvicorn_servers import raw_asgi
from process import NotStarted, Served, free_port, serving
from report import markdown, write_into
from results import Results
from rounds import Wrong

_BEGAN = time.monotonic()
GROWTH = ("start-up", "build", "profile")


def main() -> int:
    """The exit code is 1 when a server answered wrong, or when `--require-all` and a peer is missing."""
    chosen = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the servers end with this process
    if chosen.show is not None:
        return _show(chosen)
    if chosen.install:
        machine.install({"wrk": "wrk", "nginx": "nginx-light", "varnishd": "varnish"})
    if shutil.which("wrk") is None or shutil.which("taskset") is None:
        _say("wrk and taskset are needed (Debian: apt-get install wrk util-linux)")
        return 1
    results = Results(
        machine.facts(),
        {
            "rounds": chosen.rounds,
            "seconds": chosen.seconds,
            "load": machine.load(),
            "date": time.strftime("%Y-%m-%d"),
        },
    )
    scratch = Scratch.at(ROOT / ".bench")
    try:
        if chosen.gate:
            return _gate(chosen, scratch, results)
        _run(chosen, scratch, results)
    except (Wrong, NotStarted, RuntimeError) as error:
        _say(f"FAILED  {error}")
        return 1
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(results.as_json(), indent=1) + "\n")
    sys.stdout.write(markdown(results))
    if chosen.docs:
        _write_docs(results)
    for name, why in results.missing.items():
        _say(f"MISSING  {name}: {why}")
    return 1 if results.missing and chosen.require_all else 0


def _gate(chosen: argparse.Namespace, scratch: Scratch, results: Results) -> int:
    chosen.peers = list(gate.PEERS)
    with contextlib.ExitStack() as stack:
        peers, servers = _start(chosen, scratch, results, stack)
        needed = {name: why for name, why in results.missing.items() if name != "nginx"}
        if needed:
            raise RuntimeError("; ".join(f"{name}: {why}" for name, why in needed.items()))
        bench = Bench(peers, servers, scratch.run, gate.ROUNDS, seconds=1.0)
        verdicts = gate.gate(bench, scratch, {} if chosen.renew else gate.kept())
    sys.stdout.write(gate.table(verdicts))
    if chosen.renew:
        gate.keep(verdicts)
    return 0 if all(verdict.holds for verdict in verdicts) else 1


def _memory(servers: dict[str, Served]) -> dict[str, float]:
    return {name: server.memory() for name, server in servers.items()}


def _run(chosen: argparse.Namespace, scratch: Scratch, results: Results) -> None:
    loaded: dict[str, float] | None = None
    with contextlib.ExitStack() as stack:
        peers, servers = _start(chosen, scratch, results, stack)
        bench = Bench(peers, servers, scratch.run, chosen.rounds, chosen.seconds)
        idle, cases = _memory(servers), [name for name in CASES if name in chosen.only]
        for name in sorted(cases, key=lambda name: name in STORING):  # these come last
            loaded = _memory(servers) if name in STORING and loaded is None else loaded
            _say(f"… {name}")
            results.cases[name] = CASES[name](bench)
        full = _memory(servers)
        results.memory = {
            name: {"idle": idle[name], "loaded": (loaded or full)[name], "full": full[name]} for name in servers
        }
    if "start-up" in chosen.only:
        _say("… start-up")
        results.start_up = start_up(scratch, ROUTES if not chosen.quick else ROUTES[:3])
    if "build" in chosen.only:
        _say("… build")
        pages = 1000 if chosen.quick else 10_000
        results.builds = builds(scratch, next_js="next" in peers, pages=pages)
    if "profile" in chosen.only:
        _say("… profile")
        results.profile = profile()


def _start(
    chosen: argparse.Namespace, scratch: Scratch, results: Results, stack: contextlib.ExitStack
) -> tuple[dict[str, Peer], dict[str, Served]]:
    peers: dict[str, Peer] = {}
    servers: dict[str, Served] = {}
    origin = raw_asgi(scratch)
    stack.enter_context(_served(origin, scratch, scratch.origin))
    for name in chosen.peers:
        _say(f"… preparing {name}")
        try:
            peer = PEERS[name](scratch)
            servers[name] = stack.enter_context(_served(peer, scratch, free_port()))
            peers[name] = peer
            results.versions[name] = peer.version
        except (Missing, NotStarted) as error:
            results.missing[name] = str(error)
    return peers, servers


def _served(peer: Peer, scratch: Scratch, port: int) -> contextlib.AbstractContextManager[Served]:
    log = scratch.run / f"{peer.name}-{port}.log"
    return serving(peer.command(port), port, log, cwd=peer.cwd, env=peer.env)


def _show(chosen: argparse.Namespace) -> int:
    results = Results.of_json(json.loads(chosen.show.read_text()))
    if chosen.docs:
        _write_docs(results)
    else:
        sys.stdout.write(markdown(results))
    return 0


def _write_docs(results: Results) -> None:
    write_into(ROOT / "docs" / "performance.md", results)
    if "hits" in results.cases:
        draw(results.cases["hits"], ROOT / "docs" / "images" / "hits.svg")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    names = [*CASES, *GROWTH]
    parser.add_argument("--only", type=_list_of(names), default=names, help=f"some of {', '.join(names)}")
    parser.add_argument("--peers", type=_list_of(list(PEERS)), default=list(PEERS), help=f"some of {', '.join(PEERS)}")
    parser.add_argument("--rounds", type=int, help="for each server and case; 5")
    parser.add_argument("--seconds", type=float, help="of each round; 1")
    parser.add_argument("--quick", action="store_true", help="two rounds, and less to build")
    parser.add_argument("--gate", action="store_true", help="fail if an important ratio is worse than usual: for CI")
    parser.add_argument("--renew", action="store_true", help="with --gate: keep this run's ratios as the usual ones")
    parser.add_argument("--json", type=Path, help="where the figures go, besides the tables")
    parser.add_argument("--install", action="store_true", help="install wrk, nginx and Varnish with apt-get, as root")
    parser.add_argument("--require-all", action="store_true", help="a missing peer is an error")
    parser.add_argument("--show", type=Path, help="run nothing: print the tables of such a file")
    parser.add_argument("--docs", action="store_true", help="write docs/performance.md and its chart, too")
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (2 if chosen.quick else 5)
    chosen.seconds = chosen.seconds or 1.0
    return chosen


def _list_of(known: list[str]):  # type: ignore[no-untyped-def]
    def parse(text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"there is no {unknown[0]!r}; there are {', '.join(known)}")
        return names

    return parse


def _say(text: str) -> None:
    sys.stderr.write(f"{time.monotonic() - _BEGAN:4.0f} s  {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
