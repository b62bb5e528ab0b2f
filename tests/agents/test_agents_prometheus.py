"""prometheus-fastapi-instrumentator: one count for each client's request, side by side with plain FastAPI."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from asked import CONVERSATION, conversation, in_process
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator
from twins import pond, twins

from millpond.config import parse_config

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI

pytestmark = pytest.mark.anyio

Counts = Counter[tuple[str, str, str]]


def instrumented(app: FastAPI) -> CollectorRegistry:
    registry = CollectorRegistry()
    Instrumentator(
        registry=registry, should_group_status_codes=False, should_instrument_requests_inprogress=False
    ).instrument(app).expose(app, endpoint="/metrics")
    return registry


def counts(registry: CollectorRegistry, name: str = "http_requests_total") -> Counts:
    """How many requests were counted, by handler, method and status."""
    found: Counts = Counter()
    for metric in registry.collect():
        for sample in metric.samples:
            if sample.name == name:
                labels = sample.labels
                found[labels["handler"], labels["method"], labels.get("status", "")] = int(sample.value)
    return found


async def counted(app: FastAPI) -> tuple[list[tuple[str, int]], list[Counts], str]:
    """What was answered, the counts of a counter and of a histogram, and which metrics clients are told."""
    registry = instrumented(app)
    async with in_process(app) as client:
        asked = await conversation(client, CONVERSATION, lambda: None)
        listed = (await client.get("/metrics")).text
    return (
        [(each.request, each.status) for each in asked],
        [counts(registry), counts(registry, "http_request_duration_seconds_count")],
        "\n".join(line for line in listed.splitlines() if line.startswith("http_requests_total")),
    )


async def test_counts_are_those_of_fastapi(tmp_path: Path) -> None:
    makers = twins(tmp_path)
    theirs, ours = await counted(makers["fastapi"]()), await counted(makers["millpond"]())
    assert ours == theirs
    assert ours[1][0]["/static", "GET", "200"] == 3
    assert ours[1][0]["/things/{id}", "GET", "200"] == 3
    assert ours[1][0].total() == len(CONVERSATION) + 1


async def test_what_no_client_has_asked_for_is_not_counted(tmp_path: Path) -> None:
    routes = {
        "/own": "revalidate = 60\nasync def GET(): return 'own'\n",
        "/asks": "from millpond import fetch\nasync def POST(): return (await fetch('/own')).json()\n",
        "/tick": "async def POST(): return None\ndynamic = 'force-dynamic'\nasync def GET(): return None\n",
    }
    config = parse_config({"cache": {"store": "memory"}, "cron": [{"path": "/tick", "schedule": "* * * * *"}]}, "toml")
    app = pond(tmp_path, routes, config=config)
    registry = instrumented(app)
    async with in_process(app) as client:
        assert (await client.post("/asks")).json() == "own"
        [job] = app.jobs()
        assert (await job.run(time.time())).status == 200
    assert counts(registry) == Counter({("/asks", "POST", "200"): 1})
