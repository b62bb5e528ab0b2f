"""`millpond.client` through a shared store."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import TYPE_CHECKING

import pytest
from client_project import seen, served

from engines import VALKEY, Engine, engine, settle, soon
from millpond.client import AsyncClient, Client, UnreachedError

if TYPE_CHECKING:
    from ponds import Project

__all__ = ["engine"]

pytestmark = pytest.mark.anyio


def config_of(engine: Engine) -> str:
    with engine.client() as client:
        client.flushall()
        settle(client, "shop")
    return f'[cache]\nstore = "{engine.url}"\nprefix = "shop"\n'


async def test_servers_of_all_hosts_see_a_call_at_their_next_request(project: Project, engine: Engine) -> None:
    config = config_of(engine)
    async with served(project, config) as one, served(project, config, builds=False) as other:
        assert [await seen(one, "/"), await seen(other, "/")] == ["HIT", "HIT"]
        reached = await AsyncClient(project.folder).revalidate(tags=["stock"], paths=["/items/1"])
        assert (reached.via, reached.where, reached.generation) == ("valkey", engine.url, 1)
        assert [await seen(one, "/"), await seen(other, "/items/1")] == ["MISS", "MISS"]
        assert (await AsyncClient(project.folder).revalidate_tag("stock", "max")).generation == 2
        assert await seen(other, "/") == "STALE"


async def test_a_client_is_no_mirror_that_servers_wait_for(project: Project, engine: Engine) -> None:
    async with served(project, config_of(engine)):
        await AsyncClient(project.folder).revalidate_tag("stock")
        with engine.client() as client:
            mirrors = [key for key in client.scan_iter() if b"mirrors" in key]
            assert [client.hlen(key) for key in mirrors] == [1], "the server's alone"


async def test_a_client_needs_no_other_way_after_a_fork(project: Project, engine: Engine) -> None:
    async with served(project, config_of(engine)):
        client = Client(project.folder)
        assert (await asyncio.to_thread(client.revalidate_tag, "stock")).generation == 1
        assert await asyncio.to_thread(_in_fork, client) == 0
        assert (await asyncio.to_thread(client.revalidate_tag, "stock")).generation == 3


def _in_fork(client: Client) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if client.revalidate_tag("stock").generation == 2 else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_store_that_nobody_has_made_is_not_made(project: Project, engine: Engine) -> None:
    project.write({"millpond.toml": f'[cache]\nstore = "{engine.url}"\nprefix = "nobody"\n'})
    with pytest.raises(UnreachedError, match="there is no store with this prefix") as missing:
        Client(project.folder).revalidate_tag("stock")
    assert missing.value.reason == "missing"
    with engine.client() as client:
        assert not [key for key in client.scan_iter() if b"nobody" in key]


def test_a_server_that_is_away_is_tried_again_and_then_told_without_the_password(project: Project) -> None:
    project.write({"millpond.toml": '[cache]\nstore = "valkey://me:swordfish@127.0.0.1:1/0"\n'})
    began = time.monotonic()
    with pytest.raises(UnreachedError, match=r"valkey://127\.0\.0\.1:1/0 can't be asked") as away:
        Client(project.folder).revalidate_tag("stock")
    assert (away.value.reason, "swordfish" in str(away.value)) == ("unreachable", False)
    assert 0.25 < time.monotonic() - began < 5, "two retries, after 0.1 and 0.2 seconds"


class Guarded(Engine):
    """Asks for a password, also the tests' own client."""

    def wait_until_ready(self) -> None:
        assert soon(self._listens)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def test_a_password_that_is_wrong_is_told_and_not_tried_again(project: Project) -> None:
    with Guarded(VALKEY, "--requirepass", "right") as guarded:
        config = f'[cache]\nstore = "{guarded.url}"\npassword_env = "WORD"\n'
        project.write({"millpond.toml": config, ".env": "WORD=swordfish\n"})
        with pytest.raises(UnreachedError) as refused:
            Client(project.folder).revalidate_tag("stock")
    assert (refused.value.reason, "swordfish" in str(refused.value)) == ("refused", False)
    assert "WORD" not in os.environ, "what a file sets is gone after the call"
