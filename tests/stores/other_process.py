"""Other processes with a store of their own, told what to do over a pipe."""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from millpond.stores.contract import Store

spawn = multiprocessing.get_context("spawn")


class OtherProcess:
    """A process with a store; a context manager.

    Args:
        make: makes the store, in that process.
        shared: given to whatever is called there, after its own arguments.
    """

    def __init__(self, make: Callable[[], Store], *shared: Any) -> None:
        self._pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=_serve, args=(theirs, make, shared), daemon=True)
        self.process.start()
        theirs.close()

    def __enter__(self) -> OtherProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.is_alive() and not self._pipe.closed:
            self._pipe.send(None)
            self.process.join(10)
        self.kill()

    def call(self, work: Callable[..., Any], *args: Any) -> Any:
        """What `work(store, *args)` returns there; a function of a module, sync or async."""
        self.begin(work, *args)
        return self.result()

    def begin(self, work: Callable[..., Any], *args: Any) -> None:
        self._pipe.send((work, args))

    def answers(self, seconds: float) -> bool:
        """Whether a result is there within `seconds`."""
        return self._pipe.poll(seconds)

    def result(self, seconds: float = 30) -> Any:
        assert self._pipe.poll(seconds), "the other process doesn't answer"
        return self._pipe.recv()

    def kill(self) -> None:
        """With SIGKILL: it can't tidy up."""
        self.process.kill()
        self.process.join(10)
        self._pipe.close()


def _serve(pipe: Connection, make: Callable[[], Store], shared: tuple[Any, ...]) -> None:
    async def serve() -> None:
        store = make()
        await store.open()
        while (order := pipe.recv()) is not None:
            work, args = order
            result = work(store, *args, *shared)
            pipe.send(await result if inspect.isawaitable(result) else result)
        await store.close()

    asyncio.run(serve())
