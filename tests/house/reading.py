"""Which files a reader opens to follow one request, traced from a real one: `python tests/house/reading.py`.

A request is said at a connection of uvicorn's, in this process. At two moments the files of Millpond on the call stack
are written down: when it is decided how the request is answered, and when the first byte of the answer is written. What
was called before and has returned isn't on the stack: it reads as a sentence, by its name.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.server import ServerState

import millpond
from millpond import Millpond
from millpond.cache import responses
from millpond.config import parse_config
from millpond.serve.connection.protocol import hit_protocol
from millpond.serve.hits import Hits
from millpond.serve.live import LiveRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

ROUTES = {
    "page": "revalidate = 3600\ndef GET():\n    return {'page': True}\n",
    "mine": "from fastapi import Request\ndef GET(request: Request):\n    return request.headers['user-agent']\n",
}
_ROOT = Path(millpond.__file__).parent
_DECIDES = {
    Hits.prepared.__code__: "return",  # of an answer that is at hand
    responses._decision.__code__: "call",
    responses._just_rendered.__code__: "call",
    LiveRunner.run.__code__: "call",
}
"""Functions at whose call, or return of something, it is decided how a request is answered."""


@dataclass
class Walk:
    """One request's way."""

    name: str
    to_decision: list[str] = field(default_factory=list)
    to_bytes: list[str] = field(default_factory=list)
    called: set[str] = field(default_factory=set)
    """All files in which something was called, up to the first byte."""

    @property
    def asked(self) -> set[str]:
        """Those that were only asked on the way."""
        return self.called - {*self.to_decision, *self.to_bytes}


class _Wire(asyncio.Transport):
    """A transport that tells when the answer begins."""

    def __init__(self, written: Callable[[], None]) -> None:
        super().__init__({"sockname": ("127.0.0.1", 80), "peername": ("127.0.0.1", 4000)})
        self._written = written

    def write(self, data: Any) -> None:
        del data
        self._written()

    def writelines(self, list_of_data: Any) -> None:
        del list_of_data
        self._written()

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        """Nobody is at its other end."""

    def pause_reading(self) -> None:
        """Nothing is read from it."""

    def resume_reading(self) -> None:
        """As `pause_reading`."""


def _files(frame: FrameType | None, most: int = 1_000) -> Iterator[str]:
    """The files of Millpond on the innermost frames of a stack, from the outermost on, each once."""
    found: dict[str, None] = {}
    while frame is not None and most > 0:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_ROOT):
            found[path.relative_to(_ROOT).as_posix()] = None
        frame, most = frame.f_back, most - 1
    return reversed(found)


@contextmanager
def _watched(walk: Walk) -> Iterator[Callable[[], None]]:
    """Within the block calls and the decision are written down; calling what it gives says that the answer begins."""

    def happened(frame: FrameType, event: str, value: object) -> None:
        if event == "call":
            walk.called.update(_files(frame, 1))
        if _DECIDES.get(frame.f_code) == event and not (event == "return" and value is None) and not walk.to_decision:
            walk.to_decision = [*_files(frame)]

    def begins() -> None:
        if not walk.to_bytes:
            sys.setprofile(None)
            walk.to_bytes = [*_files(sys._getframe(1))]

    sys.setprofile(happened)
    try:
        yield begins
    finally:
        sys.setprofile(None)


async def walks() -> list[Walk]:
    """A hit at the socket, a miss, and a live answer."""
    with tempfile.TemporaryDirectory() as folder:
        app = Millpond(_project(Path(folder)), config=parse_config({"cache": {"store": "memory"}}, "reading.py"))
        async with app.lifespan():
            miss = await _walk(app, "miss", "/page")
            live = await _walk(app, "live", "/mine")
            await _walk(app, "a hit that the socket doesn't know yet", "/page")
            return [await _walk(app, "hit", "/page"), miss, live]


def _project(folder: Path) -> Path:
    for name, source in ROUTES.items():
        route = folder / "app" / name / "route.py"
        route.parent.mkdir(parents=True)
        route.write_text(source, "utf-8")
    return folder / "app"


async def _walk(app: Millpond, name: str, path: str) -> Walk:
    assert app.hits is not None
    walk, state = Walk(name), ServerState()
    state.default_headers = [(b"date", b"Fri, 27 Nov 2026 12:00:00 GMT")]
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none")
    config.load()
    with _watched(walk) as begins:
        protocol: Any = hit_protocol(app.config.server, app.hits)(config, state, {}, asyncio.get_running_loop())
        protocol.connection_made(_Wire(begins))
        walk.called.clear()
        protocol.data_received(b"GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: reader\r\n\r\n" % path.encode())
        while state.tasks:
            await asyncio.wait(state.tasks)
    protocol.connection_lost(None)
    return walk


def table(of: list[Walk]) -> str:
    """The walks as a table of Markdown."""
    rows = ["| request | to its decision | to its first byte |", "|---|---|---|"]
    for walk in of:
        files = [" → ".join(f"`{file}`" for file in way) for way in (walk.to_decision, walk.to_bytes)]
        rows.append(f"| {walk.name} | {files[0]} | {files[1]} |")
    return "\n".join(rows)


if __name__ == "__main__":
    followed = asyncio.run(walks())
    print(table(followed))  # noqa: T201
    for each in followed:
        print(f"{each.name} asks {len(each.asked)} files on the way: {', '.join(sorted(each.asked))}")  # noqa: T201
