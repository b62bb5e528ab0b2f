"""Servers of Node's: Next.js and Nitro, built for production."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from peers.peer import HERE, Missing, Peer, run

if TYPE_CHECKING:
    from pathlib import Path

    from peers.peer import Scratch


def next_js(scratch: Scratch) -> Peer:
    """`next start`."""
    folder = _installed("next", "next", scratch)
    run(["npx", "next", "build"], folder, scratch)
    return Peer(
        "next",
        "Next.js, next start",
        lambda port: ["node", "node_modules/next/dist/bin/next", "start", "-H", "127.0.0.1", "-p", str(port)],
        folder,
        {"hit": "/hit", "live": "/live", "cold": "/fresh/", "invalidate-one": "/invalidate/"},
        _version(folder, "next"),
        warm=6.0,
        env=scratch.env,
    )


def nitro(scratch: Scratch) -> Peer:
    """Nitro's preset for Node, with handlers by `defineCachedEventHandler`, whose default storage is memory."""
    folder = _installed("nitro", "nitropack", scratch)
    run(["npx", "nitropack", "build", "--preset", "node-server"], folder, scratch)
    return Peer(
        "nitro",
        "Nitro",
        lambda port: ["env", f"PORT={port}", "HOST=127.0.0.1", "node", ".output/server/index.mjs"],
        folder,
        {"hit": "/hit", "live": "/live", "cold": "/items/"},
        _version(folder, "nitropack"),
        warm=3.0,
        env=scratch.env,
    )


def _installed(name: str, package: str, scratch: Scratch) -> Path:
    """The folder of a project with its packages, of the versions that its package.json says."""
    if shutil.which("npm") is None:
        raise Missing(f"npm isn't installed, which {package} is installed with")
    folder = scratch.folder / name
    shutil.copytree(HERE / name, folder, dirs_exist_ok=True)
    wanted: str = json.loads((folder / "package.json").read_text())["dependencies"][package]
    if not (folder / "node_modules" / package).exists() or _version(folder, package) != wanted:
        run(["npm", "install", "--no-audit", "--no-fund", "--loglevel", "error"], folder, scratch)
    return folder


def _version(folder: Path, package: str) -> str:
    return str(json.loads((folder / "node_modules" / package / "package.json").read_text())["version"])
