"""The requests that fetch() sends, as they count: by host, method, and status or error."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2

from millpond.render.base_exceptions import is_cancellation
from millpond.render.scopes.attachments import ScopeKey
from millpond.telemetry.counters import OTHER
from millpond.telemetry.instruments import UPSTREAM_CALLS
from millpond.telemetry.spans import Spans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.cache.data import DataCache
    from millpond.telemetry.counters import Counters

MOST_HOSTS = 100
"""Hosts that are told apart: the first that a process asks. A handler may fetch what a visitor names."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"})
CANCELLED = "cancelled"
"""In the place of a status: the time was over, or nobody waited any longer."""


class CalledUpstream:
    """One request that is being sent."""

    __slots__ = ("status",)

    def __init__(self) -> None:
        self.status: int | None = None
        """That of the answer, when it has begun."""


class UpstreamCalls:
    """Counts requests until their answers begin; each retry, redirect and auth challenge is one.

    Args:
        counters: of the application.
        spans: likewise; None: the process's.
    """

    def __init__(self, counters: Counters, spans: Spans | None = None) -> None:
        self._counters, self._spans = counters, spans or Spans()
        self._hosts: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def call(self, request: httpx2.Request) -> Iterator[CalledUpstream]:
        """Around one request."""
        began, called, problem = time.perf_counter(), CalledUpstream(), ""
        told = {"server.address": request.url.host, "http.request.method": request.method}
        try:
            with self._spans.below(None, "fetch", told) as span:
                yield called
                if called.status is not None:
                    span.set_attribute("http.response.status_code", called.status)
        except BaseException as error:
            problem = _name_of(error)
            raise
        finally:
            method = request.method if request.method in _METHODS else OTHER
            status = problem or _status(called.status)
            seconds = time.perf_counter() - began
            self._counters.observe(UPSTREAM_CALLS, seconds, self._host(request.url.host), method, status)

    def _host(self, host: str) -> str:
        with self._lock:
            if host not in self._hosts and len(self._hosts) < MOST_HOSTS:
                self._hosts.add(host)
            return host if host in self._hosts else OTHER


def _status(status: int | None) -> str:
    return str(status) if status is not None and 100 <= status <= 599 else OTHER


def _name_of(error: BaseException) -> str:
    """The error's class; of others than httpx2's own, which transports may raise, the kind."""
    if is_cancellation(error):
        return CANCELLED
    if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL):
        return next(base.__name__ for base in type(error).__mro__ if base.__module__.partition(".")[0] == "httpx2")
    return "OSError" if isinstance(error, OSError) else OTHER


_CALLS: ScopeKey[UpstreamCalls] = ScopeKey("upstream calls")


def upstream_calls(cache: DataCache) -> UpstreamCalls:
    """What counts the requests of one application."""
    calls = cache.attachments.get(_CALLS)
    if calls is None:
        calls = UpstreamCalls(cache.counters, cache.spans)
        cache.attachments.attach(_CALLS, calls)
    return calls
