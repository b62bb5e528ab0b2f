"""Real Valkey clusters and sentinels for the tests of the shared store, of several servers each."""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import redis

from engines import START_SECONDS, VALKEY, Engine
from started_server import free_port

if TYPE_CHECKING:
    from pathlib import Path

_SLOTS = 16_384


def free_ports(count: int) -> list[int]:
    """Ports whose cluster bus, 10,000 further on, may be used as well."""
    ports: list[int] = []
    while len(ports) < count:
        port = free_port()
        if port < 55_000 and port not in ports:
            ports.append(port)
    return ports


class Cluster:
    """Three servers that share the slots; a context manager."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.engines: list[Engine] = []

    def __enter__(self) -> Cluster:
        for port in free_ports(3):
            options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
            self.engines.append(self._stack.enter_context(Engine(VALKEY, *options, port=port)))
        clients = [engine.client() for engine in self.engines]
        for number, client in enumerate(clients):
            first, last = _SLOTS * number // 3, _SLOTS * (number + 1) // 3 - 1
            _told(client, "CLUSTER", "ADDSLOTSRANGE", first, last)
            _told(client, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for engine in self.engines[1:]:
            _told(clients[0], "CLUSTER", "MEET", "127.0.0.1", engine.port)
        ends = time.monotonic() + START_SECONDS
        while not all("cluster_state:ok" in _said(client) for client in clients):
            assert time.monotonic() < ends, "the cluster doesn't come together"
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        return "valkey+cluster://" + ",".join(f"127.0.0.1:{engine.port}" for engine in self.engines)


def _told(client: redis.Redis, *command: str | int) -> Any:
    return client.execute_command(*command)  # type: ignore[no-untyped-call]


def _said(client: redis.Redis) -> str:
    said = _told(client, "CLUSTER", "INFO")
    return said.decode() if isinstance(said, bytes) else "\n".join(f"{name}:{value}" for name, value in said.items())


class Watched:
    """A server with a replica, and a sentinel that lets the one take the other's place; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self._folder, self._sentinel_port = folder, free_port()
        self.master, self.replica = Engine(), Engine()

    def __enter__(self) -> Watched:
        self._stack.enter_context(self.master)
        self.replica.options = ("--replicaof", "127.0.0.1", str(self.master.port), "--repl-diskless-sync-delay", "0")
        self._stack.enter_context(self.replica)
        configuration = self._folder / "sentinel.conf"
        configuration.write_text(
            f"port {self._sentinel_port}\nbind 127.0.0.1\n"
            f"sentinel monitor mymaster 127.0.0.1 {self.master.port} 1\n"
            "sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 3000\n",
            "utf-8",
        )
        process = subprocess.Popen(
            [VALKEY, str(configuration), "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        self._until(lambda: self.replica.client().info("replication").get("master_link_status") == "up")
        self._until(lambda: len(self._sentinel().sentinel_slaves("mymaster")) == 1)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        return f"valkey+sentinel://127.0.0.1:{self._sentinel_port}/mymaster/0"

    def cut_replication(self) -> None:
        """From now on the replica gets nothing of what is written."""
        self.replica.client().replicaof("NO", "ONE")

    def take_over(self) -> None:
        """Kill the server, and wait until the sentinel names the replica in its place."""
        self.master.kill()
        self._until(lambda: self._named() == self.replica.port)

    def _named(self) -> int:
        return int(_told(self._sentinel(), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")[1])

    def _sentinel(self) -> redis.Redis:
        return redis.Redis(port=self._sentinel_port)

    def _until(self, condition: object) -> None:
        ends = time.monotonic() + START_SECONDS
        while True:
            try:
                if callable(condition) and condition():
                    return
            except redis.RedisError:
                if time.monotonic() > ends:
                    raise
            assert time.monotonic() < ends, "the sentinel doesn't do its work"
            time.sleep(0.05)
