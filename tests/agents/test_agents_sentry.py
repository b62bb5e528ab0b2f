"""Sentry's own SDK, side by side with plain FastAPI; each service in a process of its own."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sentry_kept
import sentry_sdk
from apart import apart
from asked import CONVERSATION, conversation, in_process, served
from twins import twins

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

WAYS = {"in process": in_process, "over a socket": served}
CROWD = 30
ASKED_BY_MANY = ("/things/1", "/things/1", "/live", "/failing", "/failing-live", "/declared/oak")
REGISTER = "import sentry_kept\ndef register(app): sentry_kept.begin()\n"


async def report(kind: str, begun_in: str, folder: str) -> dict[str, Any]:
    """What was sent during the conversation, in both ways, and while many asked at the same time."""
    logging.getLogger().addHandler(logging.NullHandler())
    if begun_in == "main.py":
        sentry_kept.begin()
    else:
        (Path(folder) / "instrumentation.py").write_text(REGISTER)
    make = twins(Path(folder))[kind]
    told = {}
    for way, clients in WAYS.items():
        async with clients(make()) as client:
            asked = await conversation(client, CONVERSATION, sentry_kept.reported)
        base = str(client.base_url).rstrip("/")
        told[way] = [
            [each.request, each.status, each.body, [sentry_kept.told(event, base) for event in each.reports]]
            for each in asked
        ]
    return {**told, "crowd": await crowd(make())}


async def crowd(app: FastAPI) -> list[Any]:
    """For each path: how many events of each type, how many of them are another visitor's, how many traces."""

    @app.middleware("http")
    async def name(request: Request, call_next: Any) -> Response:
        who = request.query_params["who"]
        sentry_sdk.set_user({"id": who})
        sentry_sdk.set_tag("who", who)
        await asyncio.sleep(0)
        response: Response = await call_next(request)
        return response

    found = []
    async with in_process(app) as client:
        for path in ASKED_BY_MANY:
            await asyncio.gather(*(client.get(path, params={"who": str(who)}) for who in range(CROWD)))
            events = sentry_kept.reported()
            types = Counter(event.get("type", "error") for event in events)
            strays = sum(
                not event["request"]["query_string"] == f"who={event['user']['id']}" == f"who={event['tags']['who']}"
                for event in events
            )
            found.append([path, types, strays, len({event["contexts"]["trace"]["trace_id"] for event in events})])
    return found


@pytest.fixture(scope="module")
def of_fastapi(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found: dict[str, Any] = apart(report, "fastapi", "main.py", str(tmp_path_factory.mktemp("plain")))
    return found


@pytest.mark.parametrize("begun_in", ["main.py", "instrumentation.py"])
def test_each_request_is_reported_as_by_fastapi(tmp_path: Path, of_fastapi: dict[str, Any], begun_in: str) -> None:
    ours = apart(report, "millpond", begun_in, str(tmp_path))
    for way in WAYS:
        for our, their in zip(ours[way], of_fastapi[way], strict=True):
            assert our == their
        kinds = [(request, [event["type"] for event in events]) for request, _, _, events in ours[way]]
        assert kinds.count(("GET /static", ["transaction"])) == 3
        assert ("GET /failing", ["error", "transaction"]) in kinds
    assert ours["crowd"] == of_fastapi["crowd"]
    assert [(strays, traces) for *_, strays, traces in ours["crowd"]] == [(0, CROWD)] * len(ASKED_BY_MANY)
    assert {path: types for path, types, *_ in ours["crowd"]}["/failing"] == {
        "error": CROWD,
        "transaction": CROWD,
    }
