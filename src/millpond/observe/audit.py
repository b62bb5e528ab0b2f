"""Audit events (PEP 578): connections, DNS lookups, processes and files, wherever they are opened."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from millpond.observe.files import is_read, path_in
from millpond.observe.use import Use
from millpond.policy.allowance import InputKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    Arguments = tuple[Any, ...]


class AuditListener(Protocol):
    """Receives the events that are uses."""

    def audited(self, use: Use, frame: FrameType) -> None:
        """`frame` has caused an event that is a use."""
        ...


def _host(arguments: Arguments) -> str:
    """ "db.example:5432", for a DNS lookup."""
    host, port = (*arguments, None)[:2]
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
    return f"{text}:{port}" if text and port else text


def _peer(arguments: Arguments) -> str:
    """The same, for a connection."""
    address = arguments[1]
    return _host(address) if isinstance(address, tuple) else os.fsdecode(address)


def _program(arguments: Arguments) -> str:
    """The program's name; its arguments, and variables in front of it, may hold anything."""
    command = arguments[0] or (arguments[1][0] if len(arguments) > 1 and arguments[1] else "")
    words = (word for word in os.fsdecode(command).split() if "=" not in word)
    return os.path.basename(next(words, ""))


def _nothing(_: Arguments) -> str:
    return ""


_EVENTS: dict[str, tuple[InputKind, Callable[[Arguments], str]]] = {
    "open": (InputKind.FILE, path_in),
    "os.exec": (InputKind.PROCESS, _program),
    "os.fork": (InputKind.PROCESS, _nothing),
    "os.listdir": (InputKind.FILE, path_in),
    "os.posix_spawn": (InputKind.PROCESS, _program),
    "os.scandir": (InputKind.FILE, path_in),
    "os.system": (InputKind.PROCESS, _program),
    "socket.connect": (InputKind.NETWORK, _peer),
    "socket.getaddrinfo": (InputKind.NETWORK, _host),
    "socket.gethostbyaddr": (InputKind.NETWORK, _host),
    "socket.gethostbyname": (InputKind.NETWORK, _host),
    "sqlite3.connect": (InputKind.DATABASE, _nothing),
    "subprocess.Popen": (InputKind.PROCESS, _program),
}

_listeners: list[AuditListener] = []
_hooked = False


def _hook(event: str, arguments: Arguments) -> None:
    if not _listeners or event not in _EVENTS or (event == "open" and not is_read(arguments)):
        return
    kind, name = _EVENTS[event]
    use = Use(kind, event, partial(name, arguments), is_raw=kind is InputKind.NETWORK)
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to a caller's frame
    for listener in _listeners:
        listener.audited(use, frame)


@contextlib.contextmanager
def audited_by(listener: AuditListener) -> Iterator[None]:
    """Report to `listener` within the block.

    An audit hook can't be taken away again, so there is one, and it has somebody to tell only for a while.
    """
    global _hooked
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
