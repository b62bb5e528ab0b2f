"""Python functions whose call is a use, by module and name, as they may be imported at any time."""

from __future__ import annotations

import inspect
import random
from functools import partial
from typing import TYPE_CHECKING

from millpond.internals.stack_names import TRANSPORT
from millpond.observe.calls import is_shared
from millpond.observe.databases import queries
from millpond.observe.environment_variables import ENVIRON, every_variable, variable_in
from millpond.observe.stack import function_of
from millpond.observe.use import Use
from millpond.policy.allowance import InputKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from millpond.observe.databases import Naming

    Row = tuple[InputKind, str, str, tuple[str, ...], Naming | None]

OPEN_CONNECTION = "an open connection"
"""What a write of an event loop's transport is called."""

_UUIDS = ("uuid1", "uuid4", "uuid6", "uuid7")
_SECRETS = ("randbelow", "token_bytes", "token_hex", "token_urlsafe")
_STREAM = ("read", "recv", "recv_into", "send", "sendall", "write")


_ROWS: tuple[Row, ...] = (
    (InputKind.ENV, "os", ENVIRON, ("__getitem__",), variable_in),
    (InputKind.ENV, "os", ENVIRON, ("__iter__", "__repr__"), every_variable),
    (InputKind.CLOCK, "arrow.api", "", ("now", "utcnow"), None),
    (InputKind.CLOCK, "django.utils.timezone", "", ("now", "localdate", "localtime"), None),
    (InputKind.CLOCK, "pendulum", "", ("now", "today", "tomorrow", "yesterday"), None),
    (InputKind.RANDOM, "uuid", "", _UUIDS, None),
    (InputKind.RANDOM, "secrets", "", _SECRETS, None),
    (InputKind.THREAD, "threading", "Thread", ("start",), None),
    (InputKind.THREAD, "concurrent.futures.thread", "ThreadPoolExecutor", ("submit",), None),
    (InputKind.THREAD, "concurrent.futures._base", "Executor", ("map",), None),
    (InputKind.PROCESS, "multiprocessing.process", "BaseProcess", ("start",), None),
    (InputKind.PROCESS, "concurrent.futures.process", "ProcessPoolExecutor", ("submit", "map"), None),
    (InputKind.NETWORK, "ssl", "SSLSocket", _STREAM, None),
)


def _of_tables() -> Iterator[tuple[tuple[str, str], tuple[InputKind, str, Naming | None]]]:
    for kind, module, owner, names, naming in _ROWS:
        for name in names:
            what = "os.environ" if kind is InputKind.ENV else f"{owner or module}.{name}"
            yield (module, f"{owner}.{name}" if owner else name), (kind, what, naming)
    for name in ("write", "writelines"):
        yield (TRANSPORT[0], f"{TRANSPORT[1]}.{name}"), (InputKind.NETWORK, OPEN_CONNECTION, None)
    for function, what, naming in queries():
        yield function, (InputKind.DATABASE, what, naming)
    for generator in (random.Random, random.SystemRandom):
        for name, member in vars(generator).items():
            if inspect.isfunction(member) and (name == "__init__" or not name.startswith("_")):
                what = "random.Random()" if name == "__init__" else f"random.{name}"
                yield ("random", member.__qualname__), (InputKind.RANDOM, what, None)


_FUNCTIONS = dict(_of_tables())

NAMES = frozenset(name.rpartition(".")[2] for _, name in _FUNCTIONS)
"""What the functions are called."""


def is_known(frame: FrameType) -> bool:
    """Whether the function of a frame, whose name is one of NAMES, is in the tables."""
    return function_of(frame) in _FUNCTIONS


def kind_of(frame: FrameType) -> InputKind | None:
    """What the function of a frame, if it is in the tables, uses."""
    found = _FUNCTIONS.get(function_of(frame)) if frame.f_code.co_name in NAMES else None
    return None if found is None else found[0]


def use_of_function(frame: FrameType) -> Use | None:
    """What the call of a function in Python that has just begun is a use of."""
    found = _FUNCTIONS.get(function_of(frame))
    if found is None:
        return None
    kind, what, naming = found
    if kind is InputKind.RANDOM and frame.f_globals is vars(random) and not _is_random(frame):
        return None
    is_raw = what == OPEN_CONNECTION
    return Use(kind, what, is_raw=is_raw) if naming is None else Use(kind, what, partial(naming, frame))


def _is_random(frame: FrameType) -> bool:
    """Whether a call in the module `random` gives other values each time."""
    if frame.f_code.co_name in ("__init__", "seed"):
        return frame.f_locals.get("x", frame.f_locals.get("a")) is None
    return is_shared(frame.f_locals.get("self"))
