"""`[server] ready_path`: what probes are told, and what they don't touch."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi import FastAPI
from store_doubles import TroubledStore

from millpond.config import parse_config
from millpond.errors import ConfigError
from millpond.serve.answered import DRAINING
from millpond.serve.readiness.readiness import StoreCheck
from ponds import Clock, Project

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

pytestmark = pytest.mark.anyio

READY = {"ready_path": "/healthz"}
ITEMS = 'dynamic = "force-static"\ndef GET(id: str): return id\n'


async def test_a_server_that_runs_is_ready(project: Project) -> None:
    project.routes({"/items/[id]": ITEMS})
    async with project.serving(server=READY) as pond:
        answer = await pond.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"ready": True})
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
        head = await pond.client.head("/healthz")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == answer.headers["content-length"]


async def test_other_methods_are_refused(project: Project) -> None:
    async with project.serving(server=READY) as pond:
        answer = await pond.post("/healthz")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_without_the_option_there_is_no_such_path(project: Project) -> None:
    async with project.serving() as pond:
        assert (await pond.get("/healthz")).status_code == 404


async def test_a_query_makes_no_difference_and_a_longer_path_is_another_one(project: Project) -> None:
    async with project.serving(server=READY) as pond:
        assert (await pond.get("/healthz?probe=1")).status_code == 200
        for other in ("/healthz/", "/a/healthz", "/healthz/x", "/Healthz"):
            assert (await pond.get(other)).status_code == 404, other


async def test_the_path_is_below_the_base_path_and_below_a_mount(project: Project) -> None:
    async with project.serving(server=READY, base_path="/docs") as pond:
        assert (await pond.get("/docs/healthz")).status_code == 200
        assert (await pond.get("/healthz")).status_code == 404
        parent = FastAPI()
        parent.mount("/below", pond.pond)
        transport = httpx2.ASGITransport(parent)
        async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
            assert (await client.get("/below/docs/healthz")).status_code == 200


async def test_probes_reach_neither_middleware_nor_redirects_nor_the_access_log(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    seen = []

    class Seeing:
        def __init__(self, app: ASGIApp) -> None:
            self._app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                seen.append(scope["path"])
            await self._app(scope, receive, send)

    caplog.set_level(logging.INFO, "millpond.access")
    redirects = [{"source": "/healthz", "destination": "/other"}]
    pond = project.pond(server=READY, redirects=redirects)
    pond.add_middleware(Seeing)
    async with pond.lifespan(), httpx2.AsyncClient(transport=httpx2.ASGITransport(pond), base_url="http://x") as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/elsewhere")).status_code == 404
    assert seen == ["/elsewhere"]
    assert [record.getMessage().split()[1] for record in caplog.records if record.name == "millpond.access"] == [
        "/elsewhere"
    ]


async def test_a_first_request_that_is_a_probe_starts_the_application(project: Project) -> None:
    transport = httpx2.ASGITransport(project.pond(server=READY))
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        assert (await client.get("/healthz")).json() == {"ready": True}


async def test_an_application_that_cant_start_is_not_ready_and_its_log_says_why(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    pond = project.pond(server=READY)
    pond._given_store = TroubledStore(opens=False)
    transport = httpx2.ASGITransport(pond)
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "missing": ["started"]})
    assert "the disk is gone" in caplog.text


async def test_a_store_that_is_out_of_reach_is_told_with_a_time_to_ask_again(project: Project) -> None:
    project.store = store = TroubledStore()
    async with project.serving(server=READY) as pond:
        store.is_there = False
        answer = await pond.get("/healthz")
        assert (answer.status_code, answer.json()) == (503, {"ready": False, "missing": ["store"]})
        assert answer.headers["retry-after"] == "1"


async def test_a_draining_server_says_so(project: Project) -> None:
    async with project.serving(server=READY) as pond:
        pond_of: Any = pond.pond

        async def drained(scope: Scope, receive: Receive, send: Send) -> None:
            await pond_of({**scope, DRAINING: True}, receive, send)

        transport = httpx2.ASGITransport(drained)
        async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
            answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "missing": ["draining"]})


async def test_many_probes_look_at_the_store_once_a_second() -> None:
    store, clock = TroubledStore(), Clock(0.0)
    check = StoreCheck(clock)
    assert all(await asyncio.gather(*(check.reaches(store) for _ in range(100))))
    assert store.looks == 1
    store.is_there = False
    clock.move(0.9)
    assert await check.reaches(store)
    clock.move(0.2)
    assert not await check.reaches(store)
    assert store.looks == 2


async def test_a_store_that_doesnt_answer_in_time_is_out_of_reach() -> None:
    assert not await StoreCheck(timeout=0.01).reaches(TroubledStore(hangs=True))


@pytest.mark.parametrize("path", ["healthz", "/", "/healthz/", "/a//b", "/a b", "/ü", "/a?b", "/a/../b", "/[id]"])
def test_a_path_that_clients_might_send_otherwise_is_refused(path: str) -> None:
    shown = r'^millpond\.toml: "server\.ready_path" is ".*"; it must look like "/healthz"'
    with pytest.raises(ConfigError, match=shown):
        parse_config({"server": {"ready_path": path}}, "millpond.toml")


def test_a_drain_takes_no_negative_time() -> None:
    with pytest.raises(ConfigError, match=r'"server\.drain_delay" is -1'):
        parse_config({"server": {"drain_delay": -1}}, "millpond.toml")
    assert parse_config({"server": {"drain_delay": "5s"}}, "millpond.toml").server.drain_delay == 5
