"""Functions of other packages that Millpond recognizes by name, on the stack or in a chain of awaits.

None of them is called or replaced. If one was renamed, what goes through it isn't attributed to a render.
Functions that query databases, clocks and the like are in `observe/`, in separate tables.
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

_UNSEEN = "the build attributes what is used through it to no render"
_OUTSIDE = "builds with Cache Components treat a wait for it as a wait for the outside world: the route is live"

WORK_ITEM: Function = ("concurrent.futures.thread", "_WorkItem.run")
WORKER_CONTEXT: Function = ("concurrent.futures.thread", "WorkerContext.run")
"""As of Python 3.14, the frame between a thread and the work item."""
WORKER_THREAD: Function = ("anyio._backends._asyncio", "WorkerThread.run")
THREAD: Function = ("threading", "Thread.run")

HANDS_OVER: dict[Function, str] = {
    ("concurrent.futures.thread", "ThreadPoolExecutor.submit"): "fn",
    ("anyio.to_thread", "run_sync"): "func",
    ("threading", "Thread.start"): "self",
    ("asyncio.base_events", "BaseEventLoop.create_task"): "coro",
}
"""Functions that hand work over to a thread or task -> the argument that is the work."""
TRANSPORT: Function = ("asyncio.selector_events", "_SelectorSocketTransport")
"""The class whose `write` sends data over an open connection."""
LIMITER = "CapacityLimiter."
"""The prefix of the qualified names of anyio's methods that wait for a free thread."""
MEETINGS = ("TaskGroup.", "Event.", "Lock.", "Semaphore.", LIMITER, "AsyncIOBackend.checkpoint")
"""The prefixes of the qualified names of anyio's methods that wait for another task."""
MEETING_FILES = frozenset(
    code.co_filename
    for each in (anyio.Event.__new__, MemoryObjectReceiveStream.receive, MemoryObjectSendStream.send)
    if (code := getattr(each, "__code__", None)) is not None
)
"""Files of anyio in which every wait is for another task."""

TURN_OF_THE_LOOP = PrivateName("asyncio", "Handle._run", "the build attributes tasks that a render starts to no render")

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
    """The code object of the frame in which every callback of an event loop runs; None if the name is unknown."""
    function: Any = TURN_OF_THE_LOOP.get()
    return getattr(function, "__code__", None)


def work_of(item: Any) -> Any:
    """The function that a thread pool's work item calls."""
    return item.fn if hasattr(item, "fn") else item.task[0]  # as of Python 3.14


def work_of_thread(thread: threading.Thread) -> tuple[Any, tuple[Any, ...]]:
    """The function that a thread will call and its arguments; None for one that has started, or is of another kind."""
    return getattr(thread, "_target", None), tuple(getattr(thread, "_args", ()))


def statement_of(prepared: object) -> object:
    """The text of an asyncpg prepared statement; its public method returns it only while the connection is open."""
    return getattr(prepared, "_query", None)
