"""What HTTP/2 costs, in processor time of a hit: `pip install zttp`, then `python bench/http2_costs.py`.

A hit of the same project over HTTP/1.1 and HTTP/2, by uvicorn's protocols and by nginx in front. It needs h2load and
nginx (Debian: nghttp2-client, nginx-light). Without TLS, which costs the same with both versions. Rounds alternate;
medians count. It ends with 1 if a server doesn't answer.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent / "compare"))

from peers.peer import BIN, ROOT, Peer, Scratch
from peers.ponds import millpond
from process import CLIENT_CORE, Served, free_port, serving

ROUNDS, RUNS, REQUESTS, CONNECTIONS, STREAMS = 5, 4, 10_000, 8, 8
"""A round has several runs of h2load: after 4,000 requests zttp takes a connection for a flood, and ends it."""
_NGINX = """
worker_processes 1;
daemon off;
pid {run}/nginx-h2-{port}.pid;
error_log {run}/nginx-h2-{port}.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    upstream millpond {{ server 127.0.0.1:{origin}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port} http2;
        http2_max_concurrent_streams 128;
        location / {{ proxy_pass http://millpond; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""


class Way(NamedTuple):
    """One way to the same answer."""

    title: str
    servers: list[Served]
    """The one that is asked first, then those behind it."""
    http2: bool


def main() -> int:
    if importlib.util.find_spec("zttp") is None or not (shutil.which("h2load") and shutil.which("nginx")):
        sys.stderr.write("zttp, h2load and nginx are needed: pip install zttp, apt-get install nghttp2-client nginx\n")
        return 1
    scratch = Scratch.at(ROOT / ".bench")
    peer = millpond(scratch)
    (peer.cwd / "main.py").write_text('from millpond import Millpond\n\napp = Millpond("app")\n')
    with contextlib.ExitStack() as stack:

        def started(title: str, command: list[str], port: int) -> Served:
            log = scratch.run / f"{title}.log"
            return stack.enter_context(serving(command, port, log, cwd=peer.cwd, env=peer.env))

        ways = _ways(peer, scratch, started)
        for way in ways:
            _spent(way)  # which also makes the path known
        seen: dict[str, list[float]] = {way.title: [] for way in ways}
        for number in range(ROUNDS):
            for way in ways if number % 2 == 0 else reversed(ways):
                seen[way.title].append(_spent(way))
    base = median(seen[ways[0].title])
    lines = ["| server | CPU of a hit | µs |", "|---|--:|--:|"]
    lines += [f"| {title} | {median(all_) / base:.1f} | {median(all_):.1f} |" for title, all_ in seen.items()]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _ways(peer: Peer, scratch: Scratch, started) -> list[Way]:  # type: ignore[no-untyped-def]
    def uvicorn(title: str, *options: str) -> Served:
        port = free_port()
        command = [str(BIN / "python"), "-m", "uvicorn", "main:app", "--port", str(port), "--no-access-log"]
        served: Served = started(title, [*command, "--log-level", "warning", "--loop", "uvloop", *options], port)
        return served

    port = free_port()
    own = started("millpond-start", peer.command(port), port)
    front = free_port()
    config = scratch.run / "nginx-h2.conf"
    config.write_text(_NGINX.format(run=scratch.run, port=front, origin=port))
    nginx = started("nginx-h2", ["nginx", "-c", str(config)], front)
    return [
        Way("`millpond start`, HTTP/1.1", [own], http2=False),
        Way("`uvicorn`, HTTP/1.1, httptools", [uvicorn("httptools", "--http", "httptools")], http2=False),
        Way("`uvicorn --http zttp`, HTTP/1.1", [uvicorn("zttp", "--http", "zttp")], http2=False),
        Way("`uvicorn --http zttp --http2`, HTTP/2", [uvicorn("http2", "--http", "zttp", "--http2")], http2=True),
        Way("nginx, HTTP/2, in front of `millpond start`", [nginx, own], http2=True),
    ]


def _spent(way: Way) -> float:
    """Microseconds of processor time for one request, of all servers on the way.

    Raises:
        RuntimeError: not every answer was a 200.
    """
    streams = ["-m", str(STREAMS)] if way.http2 else ["--h1", "-m", "1"]
    connections = CONNECTIONS if way.http2 else CONNECTIONS * STREAMS
    url = f"http://127.0.0.1:{way.servers[0].port}/hit"
    command = ["taskset", "-c", CLIENT_CORE, "h2load", "-n", str(REQUESTS), "-c", str(connections), *streams, url]
    before = sum(server.cpu() for server in way.servers)
    for _ in range(RUNS):
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - h2load, on this machine
        succeeded = re.search(r"status codes: (\d+) 2xx", done.stdout)
        if succeeded is None or int(succeeded[1]) != REQUESTS:
            raise RuntimeError(f"{way.title}: {done.stdout[-800:]}{way.servers[0].last_words()}")
    return (sum(server.cpu() for server in way.servers) - before) / (RUNS * REQUESTS) * 1e6


if __name__ == "__main__":
    sys.exit(main())
