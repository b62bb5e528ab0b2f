"""The servers that run, and how they are loaded."""

from __future__ import annotations

import contextlib
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import scripts
from load import load
from process import CLIENT_CORE
from rounds import Entrant, compare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from peers.peer import Peer
    from process import Served
    from results import Case

_CALM_SECONDS, _PATIENCE = 0.3, 60.0


@dataclass
class Bench:
    """The servers that run, and how long each is loaded."""

    peers: dict[str, Peer]
    servers: dict[str, Served]
    folder: Path
    rounds: int
    seconds: float

    def has(self, peer: str, path: str = "hit") -> bool:
        """Whether this peer runs, and answers what is measured."""
        return peer in self.servers and path in self.peers[peer].paths

    def entrant(
        self, peer: str, path: str = "hit", *, name: str = "", title: str = "", **options: object
    ) -> list[Entrant]:
        """One entrant, or none where the peer is missing."""
        if not self.has(peer, path):
            return []
        known = self.peers[peer]
        return [
            Entrant(
                name or peer,
                title or known.title,
                self.servers[peer],
                known.paths[path],
                warm=known.warm,
                **options,  # type: ignore[arg-type]
            )
        ]

    def compare(
        self, title: str, *entrants: list[Entrant], rounds: int | None = None, seconds: float | None = None
    ) -> Case:
        """Load all of them in turn; so often and so long as the bench says, or as is said here."""
        taking_part = [each for some in entrants for each in some]
        return compare(title, taking_part, rounds or self.rounds, seconds or self.seconds)

    def etag(self, peer: str, path: str = "hit") -> dict[str, str]:
        """What a client sends that holds the answer."""
        if not self.has(peer, path):
            return {}
        answer = self.servers[peer].get(self.peers[peer].paths[path])
        return {"If-None-Match": answer.headers.get("etag", "*")}

    def ask_each(self, peer: str, path: str, count: int, times: int) -> None:
        """Ask for each of so many paths: one is known after its first hit, and its bytes after the second.

        Args:
            peer: which server.
            path: what the numbers are appended to, as the peer calls it.
            count: how many paths.
            times: how often each.
        """
        asked = 0
        while self.has(peer, path) and asked < count * times:
            script = scripts.each(self.folder, self.peers[peer].paths[path], count, asked)
            asked += load(self.servers[peer].port, "/", 2, script=script).requests

    @contextlib.contextmanager
    def beside(self, peer: str, path: str, *, connections: int = 8, script: Path | None = None) -> Iterator[None]:
        """Load that isn't measured, as long as the context is open."""
        server, url = self.servers[peer], self.peers[peer].paths[path]
        command = ["taskset", "-c", CLIENT_CORE, "wrk", "-t1", f"-c{connections}", "-d3600s"]
        if script is not None:
            command += ["-s", str(script)]
        running = subprocess.Popen(  # noqa: S603 - wrk, on this machine
            [*command, f"http://127.0.0.1:{server.port}{url}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield
        finally:
            running.terminate()
            running.wait(10)

    def calm(self, peer: str) -> None:
        """Wait until a server has nothing left to do; a minute at most."""
        ends, before = time.monotonic() + _PATIENCE, -1.0
        while time.monotonic() < ends:
            now = self.servers[peer].cpu()
            if now - before < _CALM_SECONDS / 10:
                return
            before = now
            time.sleep(_CALM_SECONDS)
