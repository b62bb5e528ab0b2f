"""The scope in threads that shared work starts: what runs there is part of that work, as its tasks are.

A thread starts with an empty context, and an executor's job gets its thread's. Without its scope, a thread of a cached
function could read a request from a closure, and put its data into a result that is for everybody.
"""

from __future__ import annotations

import concurrent.futures
import functools
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from types import MethodType
from typing import TYPE_CHECKING, Any

from millpond.render.request.access import in_running_shared_work, is_shared_work

if TYPE_CHECKING:
    from collections.abc import Callable

_INTERPRETERS: Any = getattr(concurrent.futures, "InterpreterPoolExecutor", ())
"""As of Python 3.14: an executor whose threads run other interpreters, so that no context can be passed to them."""
_POOLS = frozenset({"anyio"})
"""Packages whose threads outlive what they are started for, and get a context with each job."""
_installed = False
_lock = threading.Lock()
_here = threading.local()
"""`submits`: whether this thread is submitting a job. A thread that the pool starts for it will run other jobs, too."""


def propagate_scopes() -> None:
    """Pass a copy of the context, as `asyncio.to_thread` does, to threads and jobs that shared work starts.

    `Thread.start` and `ThreadPoolExecutor.submit` are replaced, once per process: a thread has no other way to know who
    started it. Outside of shared work the replacements only check that. A job that shared work puts into a queue for a
    running thread isn't covered.
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
        is_pools = getattr(_here, "submits", False) or type(self).__module__.partition(".")[0] in _POOLS
        if in_running_shared_work() and not is_pools:
            context, run = copy_context(), self.run
            # A method, not a partial: Sentry takes the function of `run`, and passes the thread to it.
            self.run = MethodType(lambda _: context.run(run), self)  # type: ignore[method-assign]
        start(self)

    return starting


def _submitting(submit: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    @functools.wraps(submit)
    def submitting(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if not is_shared_work() or isinstance(self, _INTERPRETERS):
            return submit(self, fn, *args, **kwargs)
        _here.submits = True
        try:
            return submit(self, copy_context().run, fn, *args, **kwargs)
        finally:
            _here.submits = False

    return submitting
