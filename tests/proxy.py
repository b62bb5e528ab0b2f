"""A network between a process and a server that a test makes slow, deaf, or broken."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 65_536


class Proxy:
    """Passes on what connections say, each in its own time: two connections overtake each other; a context manager.

    Args:
        port: of the server.
        seed: of the delays.
    """

    def __init__(self, port: int, seed: int = 0) -> None:
        self._target, self._random = port, random.Random(seed)
        self._delays = (0.0, 0.0)
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._passes: asyncio.Event
        self._refuses = False
        self.port = 0

    def __enter__(self) -> Proxy:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return f"valkey://127.0.0.1:{self.port}/0"

    def delay(self, least: float, most: float) -> None:
        """Pass each piece on after so many seconds, either way, at random."""
        self._do(lambda: setattr(self, "_delays", (least, most)))

    def cut(self) -> None:
        """Lose everything that is sent from now on, without a word, as a network does; `mend` brings the rest."""
        self._do(lambda: self._passes.clear())

    def refuse(self) -> None:
        """Close all connections, and any that is tried."""

        def close() -> None:
            self._refuses = True
            for writer in self._writers:
                writer.transport.abort()

        self._do(close)

    def mend(self) -> None:
        """Pass on again, what was on its way included: it is late, and comes all the same."""

        def again() -> None:
            self._refuses = False
            self._passes.set()

        self._do(again)

    def _do(self, work: Callable[[], object]) -> None:
        async def done() -> None:
            work()

        asyncio.run_coroutine_threadsafe(done(), self._loop).result()

    async def _listen(self) -> None:
        self._passes = asyncio.Event()
        self._passes.set()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        self._passes.set()
        self._delays = (0.0, 0.0)
        while others := [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]:
            for writer in self._writers:
                writer.transport.abort()  # by which its tasks end
            await asyncio.wait(others, timeout=0.05)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            if self._refuses:
                return
            await self._passes.wait()
            from_there, there = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(there)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(reader, there))
                both.create_task(self._pass_on(from_there, writer))
        except* (OSError, EOFError):  # one side is gone, so both are
            pass
        finally:
            for end in (writer, there):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            least, most = self._delays
            if most:
                await asyncio.sleep(self._random.uniform(least, most))
            await self._passes.wait()
            writer.write(data)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
        raise EOFError
