"""The servers that are compared: how each is prepared and started, and what it answers where."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from machine import version_of
from process import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BIN = Path(sys.executable).parent
"""Millpond's own environment: this command runs in it."""
BODY_BYTES = 997
OTHER_ORIGIN = "https://pages.example"
"""Of pages whose requests CORS is about."""


class Missing(Exception):
    """A peer can't be had on this machine; the message says why."""


@dataclass(frozen=True)
class Peer:
    """One server."""

    name: str
    title: str
    command: Callable[[int], list[str]]
    """By the port."""
    cwd: Path
    paths: dict[str, str]
    """By what is measured, the path to ask for."""
    version: str = ""
    warm: float = 1.0
    """Seconds of load before the first measurement."""
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scratch:
    """A folder outside of git, where peers live."""

    folder: Path
    origin: int
    """The port of the server behind the proxies."""

    @property
    def env(self) -> dict[str, str]:
        return {"BENCH_BODY": str(self.folder / "body.json"), "NEXT_TELEMETRY_DISABLED": "1"}

    @classmethod
    def at(cls, folder: Path) -> Scratch:
        folder.mkdir(exist_ok=True)
        (folder / "body.json").write_bytes(_body())
        return cls(folder, free_port())


def _body() -> bytes:
    facts = {"id": 7, "name": "oak chair", "price": 12900, "text": ""}
    words = [
        "the",
        "still",
        "water",
        "is",
        "the",
        "cache",
        "and",
        "it",
        "drives",
        "the",
        "mill",
        "only",
        "when",
        "it",
        "must",
    ]
    text = " ".join(words[(number * number) % len(words)] for number in range(400))
    return json.dumps({**facts, "text": text[: BODY_BYTES - len(json.dumps(facts))]}).encode()


def millpond(scratch: Scratch) -> Peer:
    """Built and started as users do, without a log of each request, as none of the others writes one."""
    project = scratch.folder / "pond"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(HERE / "pond", project)
    _run([str(BIN / "millpond"), "build"], project, scratch)
    paths = {name: f"/{name}" for name in ("hit", "live", "slow", "invalidate")} | {"cold": "/items/"}
    return Peer(
        "millpond",
        "Millpond",
        lambda port: [str(BIN / "millpond"), "start", "--port", str(port), "--no-access-log", "--log-level", "warning"],
        project,
        paths,
        version_of(str(BIN / "millpond"), "--version"),
        env=scratch.env,
    )


def millpond_asgi(scratch: Scratch) -> Peer:
    """The same build, without the short cut at the socket. Prepared after `millpond`."""
    one = millpond(Scratch(scratch.folder, scratch.origin)) if not (scratch.folder / "pond").exists() else None
    project = scratch.folder / "pond-asgi"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(one.cwd if one else scratch.folder / "pond", project, ignore=shutil.ignore_patterns("cache"))
    return Peer(
        "millpond-asgi",
        "Millpond, through ASGI",
        lambda port: [
            *[str(BIN / "millpond"), "start", "--port", str(port), "--server", "asgi"],
            *["--no-access-log", "--log-level", "warning"],
        ],
        project,
        {"hit": "/hit"},
        env=scratch.env,
    )


def millpond_cors(scratch: Scratch) -> Peer:
    """The same build, with `[cors]`. Prepared after `millpond`."""
    one = millpond(scratch) if not (scratch.folder / "pond").exists() else None
    project = scratch.folder / "pond-cors"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(one.cwd if one else scratch.folder / "pond", project, ignore=shutil.ignore_patterns("cache"))
    (project / "millpond.toml").write_text(f'[cors]\nallow_origins = ["{OTHER_ORIGIN}"]\nallow_credentials = true\n')
    return Peer(
        "millpond-cors",
        "Millpond, with CORS",
        lambda port: [str(BIN / "millpond"), "start", "--port", str(port), "--no-access-log", "--log-level", "warning"],
        project,
        {"hit": "/hit"},
        env=scratch.env,
    )


def raw_asgi(scratch: Scratch) -> Peer:
    return _uvicorn("raw-asgi", "a constant ASGI app on uvicorn", BIN, "raw_asgi:app", scratch, {"hit": "/"}, "uvicorn")


def fastapi(scratch: Scratch) -> Peer:
    paths = {"hit": "/hit", "live": "/live", "raw": "/raw"}
    python = _environment(scratch)
    return _uvicorn("fastapi", "FastAPI + fastapi-cache2", python, "fastapi_peer:app", scratch, paths, "fastapi")


def litestar(scratch: Scratch) -> Peer:
    python = _environment(scratch)
    return _uvicorn(
        "litestar", "Litestar, response cache", python, "litestar_peer:app", scratch, {"hit": "/hit"}, "litestar"
    )


def _uvicorn(
    name: str, title: str, folder: Path, app: str, scratch: Scratch, paths: dict[str, str], package: str
) -> Peer:
    listed = _output(
        [str(folder / "python"), "-c", f"from importlib.metadata import version; print(version('{package}'))"]
    )
    options = ["--no-access-log", "--log-level", "warning", "--loop", "uvloop", "--http", "httptools"]
    return Peer(
        name,
        title,
        lambda port: [str(folder / "uvicorn"), app, "--port", str(port), *options],
        HERE / "servers",
        paths,
        listed,
        env=scratch.env,
    )


def _environment(scratch: Scratch) -> Path:
    """The peers' own virtual environment."""
    folder, wanted = scratch.folder / "venv", HERE / "requirements.txt"
    stamp = folder / "installed.txt"
    if not stamp.exists() or stamp.read_text() != wanted.read_text():
        _run([sys.executable, "-m", "venv", str(folder)], scratch.folder, scratch)
        _run([str(folder / "bin" / "pip"), "install", "--quiet", "-r", str(wanted)], scratch.folder, scratch)
        stamp.write_text(wanted.read_text())
    return folder / "bin"


def nginx(scratch: Scratch) -> Peer:
    if shutil.which("nginx") is None:
        raise Missing("nginx isn't installed (Debian: apt-get install nginx-light)")

    def command(port: int) -> list[str]:
        names = {
            "scratch": str(scratch.folder),
            "port": str(port),
            "origin": str(scratch.origin),
            "body": _body().decode().replace("'", "\\'"),
        }
        return ["nginx", "-c", _filled("nginx.conf.in", names, scratch.folder / f"nginx-{port}.conf")]

    paths = {"return": "/return", "file": "/file", "proxy": "/hit"}
    return Peer("nginx", "nginx", command, scratch.folder, paths, version_of("nginx", "-v"))


def varnish(scratch: Scratch) -> Peer:
    if shutil.which("varnishd") is None:
        raise Missing("Varnish isn't installed (Debian: apt-get install varnish)")

    def command(port: int) -> list[str]:
        names = {"origin": str(scratch.origin)}
        vcl = _filled("varnish.vcl.in", names, scratch.folder / "varnish.vcl")
        state = scratch.folder / f"varnish-{port}"
        return ["varnishd", "-F", "-a", f"127.0.0.1:{port}", "-f", vcl, "-n", str(state), "-s", "malloc,64m"]

    return Peer("varnish", "Varnish", command, scratch.folder, {"hit": "/"}, version_of("varnishd", "-V"))


def next_js(scratch: Scratch) -> Peer:
    if shutil.which("npm") is None:
        raise Missing("npm isn't installed, which Next.js is installed with")
    folder = scratch.folder / "next"
    shutil.copytree(HERE / "next", folder, dirs_exist_ok=True)
    if not (folder / "node_modules" / "next").exists():
        _run(["npm", "install", "--no-audit", "--no-fund", "--loglevel", "error"], folder, scratch)
    _run(["npx", "next", "build"], folder, scratch)
    package = json.loads((folder / "node_modules" / "next" / "package.json").read_text())
    return Peer(
        "next",
        "Next.js, next start",
        lambda port: ["node", "node_modules/next/dist/bin/next", "start", "-H", "127.0.0.1", "-p", str(port)],
        folder,
        {"hit": "/hit", "live": "/live", "cold": "/fresh/"},
        str(package["version"]),
        warm=6.0,
        env=scratch.env,
    )


PEERS: dict[str, Callable[[Scratch], Peer]] = {
    "millpond": millpond,
    "millpond-asgi": millpond_asgi,
    "millpond-cors": millpond_cors,
    "raw-asgi": raw_asgi,
    "nginx": nginx,
    "varnish": varnish,
    "next": next_js,
    "fastapi": fastapi,
    "litestar": litestar,
}


def _filled(template: str, names: dict[str, str], file: Path) -> str:
    text = (HERE / template).read_text()
    for name, value in names.items():
        text = text.replace(f"@{name}@", value)
    file.write_text(text)
    return str(file)


def _run(command: list[str], cwd: Path, scratch: Scratch) -> None:
    done = subprocess.run(  # noqa: S603 - installs and builds what is compared
        command,
        cwd=cwd,
        env={**os.environ, **scratch.env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Missing(f"{' '.join(command[:3])} failed: {(done.stdout + done.stderr).strip()[-400:]}")


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
