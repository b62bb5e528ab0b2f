"""Functions of other packages that Millpond tells by their names, on the stack or in a chain of awaits.

Nothing of them is called or replaced: where one has another name, what goes through it is somebody else's work.
Those that ask databases, clocks and the like are in `observe/`, in tables of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from millpond.internals.private_name import PrivateName

if TYPE_CHECKING:
    import threading
    from types import CodeType

    Function = tuple[str, str]
    """A module, and the qualified name of a function in it."""

_UNSEEN = "the build takes what is used by way of it for nobody's"
_OUTSIDE = "builds with Cache Components take a wait for it for one for the outside: the route is live"

WORK_ITEM: Function = ("concurrent.futures.thread", "_WorkItem.run")
WORKER_CONTEXT: Function = ("concurrent.futures.thread", "WorkerContext.run")
"""As of Python 3.14, between a thread and the item."""
WORKER_THREAD: Function = ("anyio._backends._asyncio", "WorkerThread.run")
THREAD: Function = ("threading", "Thread.run")

HANDS_OVER: dict[Function, str] = {
    ("concurrent.futures.thread", "ThreadPoolExecutor.submit"): "fn",
    ("anyio.to_thread", "run_sync"): "func",
    ("threading", "Thread.start"): "self",
    ("asyncio.base_events", "BaseEventLoop.create_task"): "coro",
}
"""Functions that hand work over, and the argument that is it."""
TRANSPORT: Function = ("asyncio.selector_events", "_SelectorSocketTransport")
"""The class whose `write` sends what goes out over an open connection."""
LIMITER = "CapacityLimiter."
"""How the qualified names of anyio's methods begin that wait for a free thread."""
MEETINGS = ("TaskGroup.", "Event.", "Lock.", "Semaphore.", LIMITER, "AsyncIOBackend.checkpoint")
"""And of those that wait for another task."""
MEETING_FILES = frozenset(
    code.co_filename
    for each in (anyio.Event.__new__, MemoryObjectReceiveStream.receive, MemoryObjectSendStream.send)
    if (code := getattr(each, "__code__", None)) is not None
)
"""Files of anyio in which all that waits, waits for another task."""

TURN_OF_THE_LOOP = PrivateName("asyncio", "Handle._run", "tasks that a render begins count as nobody's at build")

NAMES = (
    *(PrivateName(module, name, _UNSEEN) for module, name in HANDS_OVER),
    PrivateName(*WORK_ITEM, _UNSEEN),
    PrivateName(*WORKER_THREAD, _UNSEEN),
    PrivateName(*THREAD, _UNSEEN),
    *(PrivateName(TRANSPORT[0], f"{TRANSPORT[1]}.{name}", _UNSEEN) for name in ("write", "writelines")),
    *(
        PrivateName("anyio._backends._asyncio", name, _OUTSIDE)
        for name in ("TaskGroup.__aexit__", "Event.wait", "CapacityLimiter.acquire", "AsyncIOBackend.checkpoint")
    ),
    TURN_OF_THE_LOOP,
)


def turn_of_the_loop() -> CodeType | None:
    """The code of the frame that every callback of an event loop runs in; None where it isn't known."""
    function: Any = TURN_OF_THE_LOOP.get()
    return getattr(function, "__code__", None)


def work_of(item: Any) -> Any:
    """What a thread pool's item calls."""
    return item.fn if hasattr(item, "fn") else item.task[0]  # as of Python 3.14


def work_of_thread(thread: threading.Thread) -> tuple[Any, tuple[Any, ...]]:
    """What a thread is going to call, and with what; None for one that has begun, or doesn't tell."""
    return getattr(thread, "_target", None), tuple(getattr(thread, "_args", ()))


def statement_of(prepared: object) -> object:
    """The text of a prepared statement of asyncpg's, which its own method gives only while the connection is open."""
    return getattr(prepared, "_query", None)
