"""Threads that a cached function begins: what they run is the function's work, as its tasks are.

A thread begins with an empty context, and an executor's job with that of its thread. What runs there would be taken for
nobody's: a request that it has from a closure would be read, and be in a result that is for everybody.
"""

from __future__ import annotations

import concurrent.futures
import functools
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from millpond.render.request.reader import in_fill, is_for_others

if TYPE_CHECKING:
    from collections.abc import Callable

_INTERPRETERS: Any = getattr(concurrent.futures, "InterpreterPoolExecutor", ())
"""As of Python 3.14: an executor of threads that share no objects with this interpreter."""
_installed = False
_lock = threading.Lock()
_here = threading.local()
"""`submits`: whether a pool is given a job in this thread. A thread that it begins then is for others' jobs, too."""


def carry_scopes() -> None:
    """Hand a copy of the context, as `asyncio.to_thread` does, to threads and jobs that begin in work for others.

    `Thread.start` and `ThreadPoolExecutor.submit` are replaced, once in a process, by functions that look whose work
    runs, and do nothing more for anybody else: a thread has no other way to know who began it. A job that is put into
    a queue for a thread that runs already isn't seen.
    """
    global _installed
    with _lock:
        if not _installed:
            threading.Thread.start = _starting(threading.Thread.start)  # type: ignore[method-assign]
            ThreadPoolExecutor.submit = _submitting(ThreadPoolExecutor.submit)  # type: ignore[method-assign]
            _installed = True


def _starting(start: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(start)
    def starting(self: threading.Thread) -> None:
        # Not for a render: a thread may outlive it, and would be ended for what it asks for later.
        if in_fill() and not getattr(_here, "submits", False):
            self.run = functools.partial(copy_context().run, self.run)  # type: ignore[method-assign]
        start(self)

    return starting


def _submitting(submit: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    @functools.wraps(submit)
    def submitting(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if not is_for_others() or isinstance(self, _INTERPRETERS):
            return submit(self, fn, *args, **kwargs)
        _here.submits = True
        try:
            return submit(self, copy_context().run, fn, *args, **kwargs)
        finally:
            _here.submits = False

    return submitting
