"""Where a server listens: a host and a port, a Unix socket, or a socket that its parent process has opened."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import TYPE_CHECKING

from millpond.config.ownership import whose
from millpond.errors import AddressError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_BACKLOG = 2048
"""Connections that wait to be accepted; the system may allow fewer."""
_ANYBODY = 0o666
"""As with a port of 127.0.0.1, every process of the machine may connect; the folder's mode can forbid it."""


@contextlib.contextmanager
def bound(host: str, port: int) -> Iterator[list[socket.socket]]:
    """The sockets of `bind`, closed on exit."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(each) for each in bind(host, port)]


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets for all addresses of `host`, bound but not listening: clients can't connect before the server starts.

    Args:
        host: a name or an address; one of IPv6 may be in brackets, as in URLs.
        port: 0 for any free port; the same one for all addresses.

    Raises:
        AddressError: there is no such host, or the port is in use.
    """
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError, OverflowError) as error:
        raise AddressError(f"there is no address {host}:{port} ({error}); give another --host or --port.") from None
    sockets: list[socket.socket] = []
    for family, kind, protocol, _, address in dict.fromkeys(found):
        number = port or (sockets[0].getsockname()[1] if sockets else 0)
        try:
            sockets.append(_bound(family, kind, protocol, (address[0], number, *address[2:])))
        except OSError as error:
            for opened in sockets:
                opened.close()
            raise AddressError(_refused(host, number, error)) from None
    return sockets


def _bound(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
    except OSError:
        opened.close()
        raise
    return opened


def _refused(host: str, port: int, error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    remedy = "stop the process that does, or use another --port."
    if error.errno in (errno.EACCES, errno.EPERM):
        remedy = "this user may not use ports as low; use another --port, and a proxy in front."
    elif error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        remedy = "this machine has no such address; give another --host."
    return f"can't listen on {_authority(host, port)}: {reason}; {remedy}"


@contextlib.contextmanager
def bound_unix(path: Path) -> Iterator[list[socket.socket]]:
    """A Unix socket, whose file is removed on exit. It listens at once: connections wait until the server starts.

    The file of a server that has ended without removing it is replaced.

    Raises:
        AddressError: another process listens there, or there can't be such a file.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise AddressError("this system has no Unix sockets; use --host and --port.")
    _remove_stale(path)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.bind(str(path))
        made = path.lstat()
        path.chmod(_ANYBODY)
        opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        reason = (error.strerror or str(error)).lower()
        raise AddressError(f"can't listen on the Unix socket {path}: {reason}.{whose(path.parent)}") from None
    try:
        yield [opened]
    finally:
        opened.close()
        with contextlib.suppress(OSError):  # it has gone already, or its folder
            if os.path.samestat(path.lstat(), made):  # another server may have replaced it
                path.unlink()


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise AddressError(f"{path} can't be looked at: {error.strerror}.{whose(path.parent)}") from None
    if not stat.S_ISSOCK(mode):
        raise AddressError(f"{path} is there, and isn't a socket; remove it, or give another --uds.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)  # a full queue is one that somebody listens at
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            return
        except (OSError, ValueError):
            pass
    raise AddressError(f"can't listen on the Unix socket {path}: another process does; stop it, or give another --uds.")


@contextlib.contextmanager
def inherited(descriptor: int) -> Iterator[list[socket.socket]]:
    """The socket that the parent process has opened, such as systemd; closed on exit.

    Args:
        descriptor: its number; systemd's first one is 3.

    Raises:
        AddressError: it isn't a socket on which a server can listen.
    """
    try:
        opened = socket.socket(fileno=descriptor)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise AddressError(
            f"file descriptor {descriptor} can't be used: {reason}; --fd takes an open socket."
        ) from None
    with opened:
        if opened.type != socket.SOCK_STREAM or _is_connected(opened):
            raise AddressError(
                f"file descriptor {descriptor} isn't a socket to listen on, but "
                f"{'a connection' if opened.type == socket.SOCK_STREAM else 'of another kind'}; for systemd, write "
                "Accept=no and ListenStream= into the socket unit."
            )
        opened.set_inheritable(False)  # what handlers start doesn't hold the port
        yield [opened]


def _is_connected(opened: socket.socket) -> bool:
    try:
        opened.getpeername()
    except OSError:
        return False
    return True


def is_unix(opened: socket.socket) -> bool:
    """Whether its peers are processes of this machine."""
    return opened.family == getattr(socket, "AF_UNIX", None)


def address_of(sockets: Sequence[socket.socket], scheme: str = "http") -> str:
    """The URL of the first socket, for display; for a Unix socket `unix:` and its path."""
    name = sockets[0].getsockname()
    if is_unix(sockets[0]):
        path = os.fsdecode(name)
        return f"unix:{path.replace(chr(0), '@', 1)}{' (TLS)' if scheme == 'https' else ''}"
    return f"{scheme}://{_authority(*name[:2])}"


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
