"""Hosts that share a Valkey server, each with a folder, workers and a network of its own."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from served_pond import millpond, served, write_project, write_settings

from engines import settle
from millpond.config.store_url import parse_store_url
from millpond.stores.valkey.store import ValkeyStore
from proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from served_pond import Served

    from engines import Engine

PREFIX = "pond"


@dataclass
class Hosts:
    """Several hosts, and what is between each of them and the server."""

    engine: Engine
    hosts: list[Served]
    networks: list[Proxy]

    def store(self) -> ValkeyStore:
        """The store as a command beside the server would open it."""
        return store_of(self.engine)


def store_of(engine: Engine) -> ValkeyStore:
    return ValkeyStore(parse_store_url(engine.url), prefix=PREFIX, build="", max_bytes=1 << 30, clock=time.time)


@contextmanager
def shared_hosts(
    folder: Path, engine: Engine, count: int, workers: int = 1, cache: dict[str, Any] | None = None
) -> Iterator[Hosts]:
    """So many hosts with one build, served; they have ended afterwards."""
    settle(engine.client(), PREFIX)
    with ExitStack() as stack:
        networks = [stack.enter_context(Proxy(engine.port, seed)) for seed in range(count)]
        folders = _folders(folder, [network.url for network in networks], cache or {})
        hosts = [stack.enter_context(served(each, workers, build=False)) for each in folders]
        yield Hosts(engine, hosts, networks)


def _folders(folder: Path, urls: list[str], cache: dict[str, Any]) -> list[Path]:
    """Copies of one build, which differ in the way to the server; what is true is the same for all."""
    settings = [{"store": url, "prefix": PREFIX, **cache} for url in urls]
    first = folder / "host-0"
    first.mkdir(parents=True)
    write_project(first, settings[0])
    built = millpond(first, "build")
    assert built.returncode == 0, built.stderr
    folders = [first]
    for number, said in enumerate(settings[1:], 1):
        copy = folder / f"host-{number}"
        shutil.copytree(first, copy, ignore=shutil.ignore_patterns("truth", "__pycache__"))
        write_settings(copy, said)
        (copy / "truth").symlink_to(first / "truth")
        folders.append(copy)
    return folders
