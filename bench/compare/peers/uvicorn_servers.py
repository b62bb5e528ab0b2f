"""Python's servers: the floors, FastAPI, and caches that others bolt on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from peers.peer import BIN, HERE, Peer, output, run

if TYPE_CHECKING:
    from pathlib import Path

    from peers.peer import Scratch

UVICORN_OPTIONS = ("--no-access-log", "--log-level", "warning", "--loop", "uvloop", "--http", "httptools")


def bare_protocol(scratch: Scratch) -> Peer:
    """The floor of Python: bytes for bytes on uvloop, without a parser."""
    command = [str(BIN / "python"), str(HERE / "servers" / "bare_protocol.py")]
    return Peer(
        "bare-protocol",
        "an asyncio protocol that writes constant bytes",
        lambda port: [*command, str(port)],
        HERE / "servers",
        {"hit": "/"},
        f"on uvloop {_version(BIN, 'uvloop')}",
        env=scratch.env,
    )


def raw_asgi(scratch: Scratch) -> Peer:
    """The floor of ASGI."""
    return _uvicorn(
        "raw-asgi", "a constant ASGI app on uvicorn", BIN, "raw_asgi:app", scratch, {"hit": "/"}, ("uvicorn",)
    )


def fastapi_plain(scratch: Scratch) -> Peer:
    """FastAPI without a cache, in Millpond's own environment: the same versions of everything below."""
    paths = {"live": "/live", "raw": "/raw"}
    return _uvicorn("fastapi-plain", "FastAPI", BIN, "fastapi_plain:app", scratch, paths, ("fastapi",))


def fastapi(scratch: Scratch) -> Peer:
    """FastAPI with the cache decorator that its users find first."""
    python = _environment(scratch)
    title = "FastAPI + fastapi-cache2"
    return _uvicorn(
        "fastapi", title, python, "fastapi_peer:app", scratch, {"hit": "/hit"}, ("fastapi", "fastapi-cache2")
    )


def cashews(scratch: Scratch) -> Peer:
    """FastAPI with cashews, in memory."""
    paths = {"hit": "/hit", "cold": "/items/"}
    python = _environment(scratch)
    return _uvicorn("cashews", "FastAPI + cashews", python, "cashews_peer:app", scratch, paths, ("fastapi", "cashews"))


def litestar(scratch: Scratch) -> Peer:
    """Litestar with its response cache."""
    python, paths = _environment(scratch), {"hit": "/hit"}
    return _uvicorn("litestar", "Litestar, response cache", python, "litestar_peer:app", scratch, paths, ("litestar",))


def _uvicorn(
    name: str, title: str, folder: Path, app: str, scratch: Scratch, paths: dict[str, str], packages: tuple[str, ...]
) -> Peer:
    def command(port: int) -> list[str]:
        return [str(folder / "uvicorn"), app, "--port", str(port), *UVICORN_OPTIONS]

    first, *others = packages
    version = " with ".join([_version(folder, first), *(f"{each} {_version(folder, each)}" for each in others)])
    return Peer(name, title, command, HERE / "servers", paths, version, env=scratch.env)


def _version(folder: Path, package: str) -> str:
    program = f"from importlib.metadata import version; print(version('{package}'))"
    return output([str(folder / "python"), "-c", program])


def _environment(scratch: Scratch) -> Path:
    """The peers' own virtual environment."""
    folder, wanted = scratch.folder / "venv", HERE / "requirements.txt"
    stamp = folder / "installed.txt"
    if not stamp.exists() or stamp.read_text() != wanted.read_text():
        run([sys.executable, "-m", "venv", str(folder)], scratch.folder, scratch)
        run([str(folder / "bin" / "pip"), "install", "--quiet", "-r", str(wanted)], scratch.folder, scratch)
        stamp.write_text(wanted.read_text())
    return folder / "bin"
