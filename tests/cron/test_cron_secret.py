"""A cron's request can be told from a visitor's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cron_hosts import NOON, hosts

from millpond.cron.secret import VARIABLE, authorization
from millpond.errors import ConfigError
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


async def test_who_knows_the_secret_of_the_environment_may_run_it_too(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    async with hosts(project, handler=GUARDED) as one, client_of(one.ponds[0]) as client:
        answer = await client.get("/job", headers={"authorization": f"Bearer {SECRET}"})
        assert answer.status_code == 200


def test_a_secret_that_can_be_guessed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(ConfigError, match='"CRON_SECRET" has 5 characters; use 16 or more'):
        authorization()


async def test_a_crons_request_goes_through_middleware_and_base_path(project: Project) -> None:
    async with hosts(project) as one:
        one.module.GATE.set()
        await one.ponds[0].jobs()[0].run(NOON + 300)
        seen = one.module.SEEN[0]
        assert seen["user-agent"] == "millpond-cron"
        assert seen["x-millpond-cron"] == "*/5 * * * *"
