"""Encrypted connections to the shared store, on a real server that speaks TLS."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from conformance import entry_at
from valkey_process import store_at

from engines import REDIS, Engine, settle, soon
from millpond.config import parse_config
from millpond.errors import ConfigError, StoreError
from millpond.stores.contract import Commit
from millpond.stores.factory import shared_address
from started_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(REDIS is None, reason="redis-server isn't installed; the wheel's Valkey is built without TLS"),
]


@dataclass(frozen=True)
class Papers:
    """An authority of the tests' own, and what it has signed, as files."""

    authority: str
    server: str
    stranger: str
    """Of another host."""
    client: str


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    folder, authority = tmp_path_factory.mktemp("papers"), trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    for name, identity in (("server", "127.0.0.1"), ("stranger", "cache.example"), ("client", "shop.example")):
        authority.issue_cert(identity).private_key_and_cert_chain_pem.write_to_path(folder / f"{name}.pem")
    return Papers(*(str(folder / f"{name}.pem") for name in ("authority", "server", "stranger", "client")))


class Encrypted(Engine):
    """A server with a second port, which speaks TLS."""

    def __init__(self, papers: Papers, *options: str, certificate: str = "", clients: str = "no") -> None:
        assert REDIS is not None
        self.tls_port = free_port()
        own = certificate or papers.server
        files = ("--tls-cert-file", own, "--tls-key-file", own, "--tls-ca-cert-file", papers.authority)
        tls = ("--tls-port", str(self.tls_port), "--tls-auth-clients", clients, *files)
        super().__init__(REDIS, *options, *tls)

    @property
    def tls(self) -> str:
        return f"valkeys://127.0.0.1:{self.tls_port}/0"


@pytest.fixture(scope="module")
def encrypted(papers: Papers) -> Iterator[Encrypted]:
    with Encrypted(papers) as engine:
        settle(engine.client(), "tests")
        yield engine


async def assert_shared(url: str) -> None:
    """What one process stores there another one reads, and what one invalidates is gone for the other."""
    first, second = store_at(url), store_at(url)
    await first.open()
    await second.open()
    try:
        entry = entry_at("/page", time.time(), generation=first.generation(), body=b"whole", tags=("t",))
        assert await first.commit(entry) is Commit.STORED
        found = await second.get("/page")
        assert found is not None
        assert found.body == b"whole"
        await asyncio.to_thread(second.invalidate, ["t"], expire_after=0)
        row = first.row("t")
        assert row is not None
        assert row.expired > entry.generation
    finally:
        await first.close()
        await second.close()


async def refused(url: str, caplog: pytest.LogCaptureFixture) -> str:
    """Why the server at `url` can't be used, as the log says it. The store is open all the same, and waits for one."""
    store = store_at(url)
    await store.open()
    try:
        with pytest.raises(StoreError):
            await asyncio.to_thread(store.invalidate, ["t"], expire_after=0)
    finally:
        await store.close()
    return caplog.text


async def test_hosts_share_a_store_over_tls(encrypted: Encrypted, papers: Papers) -> None:
    await assert_shared(f"{encrypted.tls}?ssl_ca_certs={papers.authority}")


async def test_an_authority_that_is_not_trusted_is_refused(
    encrypted: Encrypted, caplog: pytest.LogCaptureFixture
) -> None:
    assert "certificate verify failed: self-signed certificate in certificate chain" in await refused(
        encrypted.tls, caplog
    )


async def test_a_certificate_of_another_host_is_refused(papers: Papers, caplog: pytest.LogCaptureFixture) -> None:
    with Encrypted(papers, certificate=papers.stranger) as engine:
        said = await refused(f"{engine.tls}?ssl_ca_certs={papers.authority}", caplog)
    assert "certificate is not valid for '127.0.0.1'" in said


async def test_a_server_that_does_not_speak_tls_is_refused(
    encrypted: Encrypted, papers: Papers, caplog: pytest.LogCaptureFixture
) -> None:
    said = await refused(f"valkeys://127.0.0.1:{encrypted.port}/0?ssl_ca_certs={papers.authority}", caplog)
    assert "can't be used: no answer within" in said  # it waits for the end of what it takes for a command


async def test_a_server_may_want_a_certificate(papers: Papers, caplog: pytest.LogCaptureFixture) -> None:
    with Encrypted(papers, clients="yes") as engine:
        settle(engine.client(), "tests")
        url = f"{engine.tls}?ssl_ca_certs={papers.authority}"
        assert "can't be used" in await refused(url, caplog)
        await assert_shared(f"{url}&ssl_certfile={papers.client}&ssl_keyfile={papers.client}")


@pytest.mark.parametrize("file", ["/nowhere/ca.pem", "/"])
def test_a_file_that_is_not_there_is_named_at_the_start(file: str) -> None:
    cache = parse_config({"cache": {"store": f"valkeys://cache?ssl_ca_certs={file}"}}, "millpond.toml").cache
    with pytest.raises(ConfigError, match=f"names {re.escape(file)} as ssl_ca_certs, and there is no such file"):
        shared_address(cache)


async def test_sentinels_and_the_server_that_they_name_are_asked_over_tls(papers: Papers, tmp_path: Path) -> None:
    with Encrypted(papers) as engine, sentinel(engine, papers, tmp_path) as port:
        settle(engine.client(), "tests")
        await assert_shared(f"valkeys+sentinel://127.0.0.1:{port}/mymaster/0?ssl_ca_certs={papers.authority}")


async def test_a_cluster_is_asked_over_tls(papers: Papers) -> None:
    with Encrypted(
        papers, "--cluster-enabled", "yes", "--tls-cluster", "yes", "--cluster-port", str(free_port())
    ) as engine:
        client: Any = engine.client()
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        assert soon(lambda: re.search(r"cluster_state\W+ok", str(client.execute_command("CLUSTER INFO"))) is not None)
        settle(client, "tests")
        await assert_shared(f"valkeys+cluster://127.0.0.1:{engine.tls_port}?ssl_ca_certs={papers.authority}")


class sentinel:  # noqa: N801 - a context manager that is used like a function
    """One that knows `engine` as mymaster and speaks TLS alone; its port."""

    def __init__(self, engine: Encrypted, papers: Papers, folder: Path) -> None:
        self._engine, self._papers, self._folder = engine, papers, folder
        self._port, self._stack = free_port(), ExitStack()

    def __enter__(self) -> int:
        assert REDIS is not None
        configuration = self._folder / "sentinel.conf"
        configuration.write_text(
            f"port 0\ntls-port {self._port}\nbind 127.0.0.1\ntls-replication yes\ntls-auth-clients no\n"
            f"tls-cert-file {self._papers.server}\ntls-key-file {self._papers.server}\n"
            f"tls-ca-cert-file {self._papers.authority}\n"
            f"sentinel monitor mymaster 127.0.0.1 {self._engine.tls_port} 1\n",
            "utf-8",
        )
        command = [REDIS, str(configuration), "--sentinel"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        assert soon(lambda: b"mymaster" in self._asked())
        return self._port

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _asked(self) -> bytes:
        command = [
            "redis-cli",
            "--tls",
            "--cacert",
            self._papers.authority,
            "-p",
            str(self._port),
            "sentinel",
            "masters",
        ]
        return subprocess.run(command, capture_output=True, check=False).stdout
