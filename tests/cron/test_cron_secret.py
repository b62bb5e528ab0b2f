"""A cron's request can be told from a visitor's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cron_hosts import NOON, hosts

from millpond import Millpond
from millpond.config import parse_config
from millpond.cron.cron_request import send_cron_request
from millpond.cron.record import RunOutcome
from millpond.cron.secret import VARIABLE, authorization
from millpond.errors import ConfigError
from millpond.stores.memory import MemoryStore
from ponds import client_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

GUARDED = """
from fastapi import Depends

from millpond.cron import cron_only

RUNS = []


async def GET(_: None = Depends(cron_only)):
    RUNS.append(1)
"""
ASKING = """
from millpond import Request
from millpond.cron import is_cron

RUNS = []


async def GET(request: Request):
    RUNS.append(is_cron(request))
    return {"cron": is_cron(request)}
"""
SECRET = "a-secret-of-twenty-characters"


@pytest.fixture(params=[None, SECRET])
def _secret(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param is None:
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, request.param)


@pytest.mark.usefixtures("_secret")
async def test_a_guarded_handler_runs_for_its_cron_and_for_nobody_else(project: Project) -> None:
    async with hosts(project, handler=GUARDED) as one, client_of(one.ponds[0]) as client:
        run = await one.ponds[0].jobs()[0].run(NOON + 300)
        assert (run.outcome, run.status) == ("ok", 200)
        for headers in ({}, {"authorization": "Bearer x"}, {"authorization": "Bearer "}, {"x-millpond-cron": "*"}):
            answer = await client.get("/job", headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert one.runs == 1


@pytest.mark.usefixtures("_secret")
async def test_a_handler_can_ask_whether_it_is_its_cron(project: Project) -> None:
    async with hosts(project, handler=ASKING) as one, client_of(one.ponds[0]) as client:
        await one.ponds[0].jobs()[0].run(NOON + 300)
        assert (await client.get("/job")).json() == {"cron": False}
        assert one.module.RUNS == [True, False]


@pytest.mark.parametrize("kept", [SECRET, f"{SECRET}\n"], ids=["itself", "as a file has it"])
async def test_who_knows_the_secret_of_the_environment_may_run_it_too(
    project: Project, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    monkeypatch.setenv(VARIABLE, kept)
    async with hosts(project, handler=GUARDED) as one, client_of(one.ponds[0]) as client:
        answer = await client.get("/job", headers={"authorization": f"Bearer {SECRET}"})
        assert answer.status_code == 200


def test_a_secret_that_can_be_guessed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(ConfigError, match='"CRON_SECRET" has 5 characters; use 16 or more'):
        authorization()


async def test_a_crons_request_says_what_it_is(project: Project) -> None:
    async with hosts(project) as one:
        one.module.GATE.set()
        await one.ponds[0].jobs()[0].run(NOON + 300)
        seen = one.module.SEEN[0]
        assert seen["user-agent"] == "millpond-cron"
        assert seen["x-millpond-cron"] == "*/5 * * * *"


async def test_a_crons_request_is_no_clients_so_middleware_in_front_of_those_doesnt_see_it(project: Project) -> None:
    passed: list[str] = []

    def counting(app: Any) -> Any:
        async def middleware(scope: Any, receive: Any, send: Any) -> None:
            passed.append(scope["path"])
            await app(scope, receive, send)

        return middleware

    async with hosts(project) as one:
        one.module.GATE.set()
        pond = Millpond(
            one.ponds[0].app_dir, config=one.ponds[0].config, store=MemoryStore(max_bytes=2**20, clock=one.clock)
        )
        pond.add_middleware(counting)
        async with pond.lifespan():
            assert (await pond.jobs()[0].run(NOON + 300)).outcome is RunOutcome.OK
    assert passed == []


@pytest.mark.parametrize(
    ("path", "config", "sent"),
    [
        ("/job", {}, b"/job"),
        ("/job", {"base_path": "/shop"}, b"/shop/job"),
        ("/job", {"trailing_slash": True}, b"/job/"),
        ("/caf\u00e9", {}, b"/caf%C3%A9"),
        ("/caf%C3%A9", {"base_path": "/l\u00e4den", "trailing_slash": True}, b"/l%C3%A4den/caf%C3%A9/"),
    ],
)
async def test_a_crons_path_is_asked_for_in_its_canonical_form(path: str, config: dict[str, Any], sent: bytes) -> None:
    seen: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["raw_path"])
        await send({"type": "http.response.start", "status": 204, "headers": []})

    assert await send_cron_request(app, parse_config(config, "millpond.toml"), path, "* * * * *") == 204
    assert seen == [sent]
