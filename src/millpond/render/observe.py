"""What a render touches besides the request: the clock, randomness, databases, the network, other processes.

Installed for a build's passes and never while serving. Two sources: audit hooks (PEP 578), which see connections,
look-ups and processes wherever they are made; and the profiler's call events, which see functions however they were
imported. Only what the user's code asks for counts: the clock that logging reads for its own sake doesn't.
"""

from __future__ import annotations

import contextlib
import datetime
import dis
import inspect
import logging
import os
import random
import socket
import sys
import threading
import time
from enum import StrEnum
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import pydantic

from millpond.render.scope import Scope, current, user_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from millpond.errors import Place


class Kind(StrEnum):
    """What was touched."""

    CLOCK = "clock"
    RANDOM = "randomness"
    WAIT = "a wait"
    DATABASE = "database"
    NETWORK = "network"
    PROCESS = "process"
    THREAD = "thread"
    """Of the user's own: what happens in it can't be told to belong to the render."""


class Observation(NamedTuple):
    """One use, and where the user's code made it."""

    kind: Kind
    what: str
    place: Place

    @property
    def api(self) -> str:
        """As the Why column shows it."""
        return f"{self.kind} ({self.what})"


_DIRECT = frozenset({Kind.CLOCK, Kind.RANDOM, Kind.WAIT, Kind.THREAD})
"""Kinds that libraries use for their own purposes all the time: only the user's own calls count."""

_CONVERSIONS = {"localtime": 1, "gmtime": 1, "ctime": 1, "strftime": 2}
"""Functions of `time` that read the clock unless they are given a time, as the argument of that number."""
_CLOCKS = frozenset({"time", "time_ns", *_CONVERSIONS})
_DATES = frozenset({"now", "utcnow", "today"})
_SOCKET = frozenset({"connect", "connect_ex", "recv", "recv_into", "recvfrom", "send", "sendall", "sendmsg", "sendto"})
_STATEMENTS = frozenset({"execute", "executemany", "executescript"})
_SYSTEM = frozenset({"getrandom", "urandom"})
_WATCHED_NAMES = _CLOCKS | _DATES | _SOCKET | _STATEMENTS | _SYSTEM | {"getrandbits", "random", "randbytes", "sleep"}

_AUDITED = {
    "os.exec": Kind.PROCESS,
    "os.fork": Kind.PROCESS,
    "os.posix_spawn": Kind.PROCESS,
    "os.system": Kind.PROCESS,
    "socket.connect": Kind.NETWORK,
    "socket.getaddrinfo": Kind.NETWORK,
    "socket.gethostbyaddr": Kind.NETWORK,
    "socket.gethostbyname": Kind.NETWORK,
    "sqlite3.connect": Kind.DATABASE,
    "subprocess.Popen": Kind.PROCESS,
}

_FUNCTIONS = (
    (Kind.RANDOM, "uuid", "", ("uuid1", "uuid4", "uuid6", "uuid7")),
    (Kind.RANDOM, "secrets", "", ("randbelow", "token_bytes", "token_hex", "token_urlsafe")),
    (Kind.THREAD, "threading", "Thread", ("start",)),
    (Kind.THREAD, "concurrent.futures.thread", "ThreadPoolExecutor", ("submit",)),
    (Kind.THREAD, "concurrent.futures._base", "Executor", ("map",)),
    (Kind.PROCESS, "multiprocessing.process", "BaseProcess", ("start",)),
    (Kind.PROCESS, "concurrent.futures.process", "ProcessPoolExecutor", ("submit", "map")),
    (Kind.NETWORK, "ssl", "SSLSocket", ("read", "recv", "recv_into", "send", "sendall", "write")),
    (Kind.DATABASE, "sqlalchemy.engine.default", "DefaultDialect", ("do_execute", "do_executemany")),
    (Kind.DATABASE, "sqlalchemy.engine.default", "DefaultDialect", ("do_execute_no_params",)),
    (Kind.DATABASE, "psycopg", "Cursor", ("execute", "executemany")),
    (Kind.DATABASE, "psycopg", "AsyncCursor", ("execute", "executemany")),
    (Kind.DATABASE, "psycopg.cursor", "Cursor", ("execute", "executemany")),
    (Kind.DATABASE, "asyncpg.connection", "Connection", ("execute", "fetch", "fetchrow", "fetchval")),
    (Kind.DATABASE, "django.db.backends.utils", "CursorWrapper", ("execute", "executemany")),
)
"""Python functions that are uses themselves; of database drivers those whose own calls can't be seen."""

_ASYNCIO = f"{os.sep}asyncio{os.sep}"
_LOGGING = logging.__file__
_GENERATED = ("<", *pydantic.__path__)
"""Files of code that stands for the user's: the `__init__` of a dataclass or model calls its default factories."""


def _builtin(function: Any, frame: FrameType) -> tuple[Kind, str] | None:
    """What a call of a C function is a use of."""
    name, owner = function.__name__, getattr(function, "__self__", None)
    if owner is time:
        return _of_time(name, frame)
    if isinstance(owner, type):
        dated = issubclass(owner, datetime.date) and name in _DATES
        return (Kind.CLOCK, f"{owner.__name__}.{name}") if dated else None
    if name in _SYSTEM:
        return Kind.RANDOM, f"os.{name}"
    if isinstance(owner, random.Random):
        return (Kind.RANDOM, f"random.{name}") if _is_shared(owner) else None
    if name in _STATEMENTS and owner is not None and not isinstance(owner, ModuleType):
        driver = next((kind for kind in type(owner).__mro__ if name in vars(kind)), type(owner))
        return Kind.DATABASE, f"{driver.__module__.partition('.')[0]} {name}"
    if isinstance(owner, socket.socket) and name in _SOCKET:
        return Kind.NETWORK, f"socket.{name}"
    return None


def _of_time(name: str, frame: FrameType) -> tuple[Kind, str] | None:
    if name == "sleep":
        return Kind.WAIT, "time.sleep"
    if name not in _CLOCKS or _number_of_arguments(frame) >= _CONVERSIONS.get(name, sys.maxsize):
        return None
    return Kind.CLOCK, f"time.{name}"


def _number_of_arguments(frame: FrameType) -> int:
    """How many the call under way has, where its instruction says so; else 0."""
    code = frame.f_code.co_code
    return code[frame.f_lasti + 1] if code[frame.f_lasti] == dis.opmap["CALL"] else 0


def _python_functions() -> dict[tuple[str, str], tuple[Kind, str]]:
    """By module and qualified name: a driver may be imported at any time."""
    uses = {}
    for kind, module, owner, names in _FUNCTIONS:
        for name in names:
            what = f"{owner or module}.{name}" if kind is not Kind.DATABASE else f"{module.partition('.')[0]} {name}"
            uses[module, f"{owner}.{name}" if owner else name] = (kind, what)
    for generator in (random.Random, random.SystemRandom):
        for name, member in vars(generator).items():
            if inspect.isfunction(member) and (name == "__init__" or not name.startswith("_")):
                what = "random.Random()" if name == "__init__" else f"random.{name}"
                uses["random", member.__qualname__] = (Kind.RANDOM, what)
    return uses


_PYTHON = _python_functions()
_PYTHON_NAMES = frozenset(name.rpartition(".")[2] for _, name in _PYTHON)


def _python(frame: FrameType) -> tuple[Kind, str] | None:
    """What a call of a Python function is a use of."""
    use = _PYTHON.get((frame.f_globals.get("__name__", ""), frame.f_code.co_qualname))
    if use is None or use[0] is not Kind.RANDOM or frame.f_globals is not vars(random):
        return use
    generator, name = frame.f_locals.get("self"), frame.f_code.co_name
    if name in ("__init__", "seed"):
        return use if frame.f_locals.get("x", frame.f_locals.get("a")) is None else None
    return use if _is_shared(generator) else None


def _is_shared(generator: object) -> bool:
    """Whether it isn't one of the user's own: these are seeded, or were noticed when they were made."""
    return generator is random._inst or isinstance(generator, random.SystemRandom)  # noqa: SLF001 - what the module's functions are bound to


class Observer:
    """Tells `watcher` of each use that a watched render makes, in whatever thread, before the use takes place."""

    def __init__(self, watcher: Callable[[Scope, Observation], None]) -> None:
        self._watcher = watcher

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Observe within the block: this thread, and threads that begin in it.

        What the watcher raises ends the observation of a thread; an IdleLoop begins it again.
        """
        former = sys.getprofile(), threading.getprofile()
        with _audited_by(self):
            threading.setprofile(self.profile)
            sys.setprofile(self.profile)
            try:
                yield
            finally:
                sys.setprofile(former[0])
                threading.setprofile(former[1])

    def profile(self, frame: FrameType, event: str, arg: Any) -> None:
        """The profiler's callback."""
        if event == "c_call":
            if arg.__name__ in _WATCHED_NAMES and _ASYNCIO not in frame.f_code.co_filename:
                self._tell(_builtin(arg, frame), frame)
        elif event == "call" and frame.f_code.co_name in _PYTHON_NAMES:
            self._tell(_python(frame), frame.f_back)

    def audit(self, event: str) -> None:
        """The audit hook's callback."""
        kind = _AUDITED.get(event)
        if kind is not None:
            self._tell((kind, event), sys._getframe(2))  # noqa: SLF001 - the documented way to a caller's frame

    def _tell(self, use: tuple[Kind, str] | None, caller: FrameType | None) -> None:
        if use is None:
            return
        scope = current()
        if scope is None or not scope.watched:
            return
        place = _asked_at(caller, scope.project, direct=use[0] in _DIRECT)
        if place is not None:
            self._watcher(scope, Observation(*use, place))


def _asked_at(frame: FrameType | None, project: Path, *, direct: bool) -> Place | None:
    """The user's line that asks; None when a library does so for itself. What is logged is no part of an answer."""
    place: Place | None = None
    while frame is not None:
        file = frame.f_code.co_filename
        if file == _LOGGING:
            return None
        place = place or user_place(frame, project, only_innermost=True)
        if direct and place is None and not file.startswith(_GENERATED):
            return None
        frame = frame.f_back
    return place


_observers: list[Observer] = []
_hooked = False


def _hook(event: str, _: tuple[Any, ...]) -> None:
    for observer in _observers:
        observer.audit(event)


@contextlib.contextmanager
def _audited_by(observer: Observer) -> Iterator[None]:
    """An audit hook can't be taken away again, so there is one, and it has somebody to tell only for a while."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)
