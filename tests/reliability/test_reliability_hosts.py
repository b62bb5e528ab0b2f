"""Several hosts that share a Valkey server, as their visitors see them. The long form: `make soak`."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from history import record_history_of
from served_pond import Answer, Served, wire
from shared_hosts import PREFIX, Hosts, shared_hosts
from stampede import renders_of

from engines import Engine
from millpond.stores.valkey.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE: dict[str, Any] = {"store_timeout": 1.0, "serve_when_down": 600.0, "lease_seconds": 2.0, "render_timeout": 20.0}
UNREACHABLE = "Millpond; hit; detail=store-unreachable"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Three hosts of one worker, whose networks are as they should be when a test begins."""
    with Engine() as engine, shared_hosts(tmp_path_factory.mktemp("hosts"), engine, 3, cache=CACHE) as hosts:
        yield hosts


async def ask(host: Served, method: str, path: str) -> Answer:
    async with wire(host) as client:
        return await client.ask(method, path)


def asked(host: Served, path: str, method: str = "GET") -> Answer:
    return asyncio.run(ask(host, method, path))


def status_of(host: Served, path: str) -> str:
    """What `cache-status` says, without the seconds that are left."""
    said = asked(host, path).headers["cache-status"]
    return "; ".join(part for part in said.split("; ") if not part.startswith("ttl="))


def until(host: Served, path: str, status: str, seconds: float = 20) -> None:
    """Ask until `cache-status` says so."""
    ends = time.monotonic() + seconds
    while (said := status_of(host, path)) != status:
        assert time.monotonic() < ends, f"{path} still says {said}\n{host.log()}"
        time.sleep(0.02)


def is_in_touch(host: Served) -> None:
    asked(host, "/pages/touch")
    until(host, "/pages/touch", "Millpond; hit; detail=fresh")


async def at_once(hosts: list[Served], path: str, each: int) -> list[Answer]:
    """So many requests to each host at the same time; every connection is there before the first request."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(wire(host)) for host in hosts for _ in range(each)]
        return list(await asyncio.gather(*(client.ask("GET", path) for client in clients)))


def test_no_read_that_begins_after_an_invalidation_returned_on_whatever_host_sees_an_older_version(
    three: Hosts,
) -> None:
    for number, network in enumerate(three.networks):
        network.delay(0, 0.002 * number)
    history = asyncio.run(record_history_of(three.hosts, three.store(), operations=2500, seed=1))
    for network in three.networks:
        network.delay(0, 0)
    assert history.violations == []
    assert (history.refused, history.doubtful) == (0, 0)
    assert history.reads > 1500
    assert history.hits > 500  # else nothing was cached, and nothing shown
    assert history.invalidations > 50


def test_hosts_that_are_cold_make_one_render_of_what_all_are_asked_for(three: Hosts) -> None:
    answers = asyncio.run(at_once(three.hosts, "/slow/cold", 40))
    assert {(answer.status, answer.body) for answer in answers} == {(200, b'{"key":"cold"}')}
    assert renders_of(three.hosts[0], "cold") == 1
    for host in three.hosts:
        assert status_of(host, "/slow/cold") == "Millpond; hit; detail=fresh"


def test_a_host_that_is_cut_off_says_that_its_answers_may_be_outdated_and_comes_back_by_itself(three: Hosts) -> None:
    cut_off, other = three.hosts[0], three.hosts[1]
    for host in (cut_off, other):
        assert asked(host, "/values/cut?version=1", "POST").status == 200
    assert asked(cut_off, "/values/cut").json() == {"version": 1}
    is_in_touch(cut_off)
    three.networks[0].cut()
    # It may take up to two seconds, for no longer than this host has a term.
    assert asked(other, "/values/cut?version=2", "POST").status == 200
    assert asked(other, "/values/cut").json() == {"version": 2}
    outdated = asked(cut_off, "/values/cut")
    assert (outdated.headers["cache-status"], outdated.json()) == (UNREACHABLE, {"version": 1})
    assert outdated.headers["x-nextjs-cache"] == "STALE"
    missing = asked(cut_off, "/pages/never-asked-for")
    assert missing.headers["cache-status"] == "Millpond; fwd=miss; fwd-status=200; detail=store-unreachable"
    assert asked(cut_off, "/values/cut?version=3", "POST").status == 500
    three.networks[0].mend()
    until(cut_off, "/values/cut", "Millpond; hit; detail=fresh")
    assert asked(cut_off, "/values/cut").json() == asked(other, "/values/cut").json()
    said = cut_off.log()
    assert f"the store at {three.networks[0].url} can't be used" in said
    assert "is back after" in said
    assert "can't invalidate" in said


def test_a_server_that_is_killed_and_comes_back_empty_costs_renders_and_no_answer(three: Hosts) -> None:
    host = three.hosts[1]
    asked(host, "/pages/kept")
    until(host, "/pages/kept", "Millpond; hit; detail=fresh")
    three.engine.kill()
    until(host, "/pages/kept", UNREACHABLE)
    assert asked(host, "/values/any?version=1", "POST").status == 500
    three.engine.start()
    is_in_touch(host)
    # What this host still had is given up: nobody knows what has been invalidated meanwhile.
    assert asked(host, "/pages/kept").headers["x-nextjs-cache"] == "MISS"
    assert asked(host, "/values/any?version=2", "POST").status == 200
    for each in three.hosts:
        is_in_touch(each)
        assert asked(each, "/values/any").json() == {"version": 2}


def test_a_host_that_is_killed_in_a_render_delays_the_others_by_no_more_than_its_lease(three: Hosts) -> None:
    for host in three.hosts:
        is_in_touch(host)
    holder, other = three.hosts[2], three.hosts[0]
    client, name = three.engine.client(), Layout(PREFIX, _build_of(holder))
    lease = name.lease(name.name("response\0app/slow/[key]/route.py\0/slow/killed\0"))

    async def is_held() -> bool:
        return bool(client.exists(lease))

    async def killed() -> float:
        cron_request = asyncio.create_task(ask(holder, "GET", "/slow/killed"))
        await holder.until(is_held)
        holder.process.send_signal(signal.SIGKILL)
        began = time.monotonic()
        answer = await ask(other, "GET", "/slow/killed")
        assert answer.status == 200
        await asyncio.gather(cron_request, return_exceptions=True)
        return time.monotonic() - began

    assert asyncio.run(killed()) < CACHE["render_timeout"]
    assert renders_of(other, "killed") in (1, 2)  # the first may have been killed before it was counted


def _build_of(host: Served) -> str:
    manifest = json.loads((host.folder / ".millpond" / "build" / "manifest.json").read_text("utf-8"))
    build: str = manifest["build"]
    return build
