"""Calls of functions in C that are uses: clocks, randomness, sockets, databases."""

from __future__ import annotations

import datetime
import dis
import os
import random
import socket
import sys
import time
from functools import partial
from types import BuiltinFunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from millpond.observe.statements import shortened, statement_at
from millpond.observe.use import Use
from millpond.policy.allowance import InputKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

    from millpond.observe.context_propagation import SubmittedCall

_ASYNCIO = f"{os.sep}asyncio{os.sep}"
_CONVERSIONS = {"localtime": 1, "gmtime": 1, "ctime": 1, "strftime": 2}
"""Functions of `time` that read the clock unless they are given a time, as the argument of that number."""
_CLOCKS = frozenset({"time", "time_ns", *_CONVERSIONS})
_DATES = frozenset({"now", "utcnow", "today"})
_SOCKET = frozenset({"connect", "connect_ex", "recv", "recv_into", "recvfrom", "send", "sendall", "sendmsg", "sendto"})
_SYSTEM = frozenset({"getrandom", "urandom"})
_STATEMENTS = frozenset({"execute", "executemany", "executescript"})
_MODULES: object = getattr(random.random, "__self__", None)
"""The generator that the functions of `random` are methods of."""
_IN_C = BuiltinFunctionType  # also of methods, bound to their object

NAMES = _CLOCKS | _DATES | _SOCKET | _SYSTEM | _STATEMENTS | {"getrandbits", "random", "randbytes", "sleep"}
"""What functions in C are called that may be uses."""

OF_DRIVERS = _SOCKET | _STATEMENTS
"""The names of those that libraries call for who uses them."""


def use_of_call(function: Any, owner: Any, frame: FrameType) -> Use | None:
    """What a call of a function in C, whose name is one of NAMES, is a use of.

    Args:
        function: that one, or the method of it.
        owner: what it belongs to: a module, a class, or the object whose method it is.
        frame: the caller's.
    """
    return _use(function, owner, partial(_number_of_arguments, frame), partial(statement_at, frame))


def use_of_work(work: SubmittedCall) -> Use | None:
    """What a C function that is submitted to a thread is a use of; None for any other function."""
    function, arguments = work
    if not isinstance(function, _IN_C) or function.__name__ not in NAMES:
        return None
    statement = shortened(arguments[0]) if arguments else ""
    return _use(function, function.__self__, lambda: len(arguments), lambda: statement)


def _use(function: Any, owner: Any, arguments: Callable[[], int], statement: Callable[[], str]) -> Use | None:
    name: str = function.__name__
    if owner is time:
        return _of_time(name, arguments)
    if isinstance(owner, type):
        dated = issubclass(owner, datetime.date) and name in _DATES
        return Use(InputKind.CLOCK, f"{owner.__name__}.{name}") if dated else None
    if name in _SYSTEM:
        return Use(InputKind.RANDOM, f"os.{name}")
    if isinstance(owner, random.Random):
        return Use(InputKind.RANDOM, f"random.{name}") if is_shared(owner) else None
    if name in _STATEMENTS and owner is not None and not isinstance(owner, ModuleType):
        driver = next((kind for kind in type(owner).__mro__ if name in vars(kind)), type(owner))
        return Use(InputKind.DATABASE, f"{driver.__module__.partition('.')[0]} {name}", statement, is_raw=True)
    if isinstance(owner, socket.socket) and name in _SOCKET:
        return Use(InputKind.NETWORK, f"socket.{name}", is_raw=True)
    return None


def is_asyncios(code: CodeType) -> bool:
    """Whether asyncio itself calls: for the loop, and for what is awaited, which is seen otherwise."""
    return _ASYNCIO in code.co_filename


def is_shared(generator: object) -> bool:
    """Whether it is a shared instance: the user's own are seeded, or were recorded when they were made."""
    return generator is _MODULES or isinstance(generator, random.SystemRandom)


def _of_time(name: str, arguments: Callable[[], int]) -> Use | None:
    if name == "sleep":
        return Use(InputKind.WAIT, "time.sleep")
    if name not in _CLOCKS or arguments() >= _CONVERSIONS.get(name, sys.maxsize):
        return None
    return Use(InputKind.CLOCK, f"time.{name}")


def _number_of_arguments(frame: FrameType) -> int:
    """How many the call under way has, where its instruction says so; else 0."""
    code = frame.f_code.co_code
    return code[frame.f_lasti + 1] if code[frame.f_lasti] == dis.opmap["CALL"] else 0
