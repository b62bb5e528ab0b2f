"""opentelemetry-instrumentation-fastapi and -asgi, side by side with plain FastAPI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from apart import apart
from asked import CONVERSATION, conversation, in_process
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.trace import SpanKind

from telemetry import Telemetry, cache_of_span, servers

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI
    from starlette.types import ASGIApp

STABLE = {"OTEL_SEMCONV_STABILITY_OPT_IN": "http"}
"""The stable names of attributes and metrics."""


def instrument_app(app: FastAPI, telemetry: Telemetry) -> ASGIApp:
    FastAPIInstrumentor.instrument_app(app, tracer_provider=telemetry.tracers, meter_provider=telemetry.meters)
    return app


def add_middleware(app: FastAPI, telemetry: Telemetry) -> ASGIApp:
    app.add_middleware(
        OpenTelemetryMiddleware,
        tracer_provider=telemetry.tracers,
        meter_provider=telemetry.meters,
    )
    return app


def wrap(app: FastAPI, telemetry: Telemetry) -> ASGIApp:
    return OpenTelemetryMiddleware(app, tracer_provider=telemetry.tracers, meter_provider=telemetry.meters)


def instrument(app: FastAPI, telemetry: Telemetry) -> ASGIApp:
    del telemetry  # the class is instrumented already: before anything of FastAPI's is imported from it
    return app


AGENTS: dict[str, Callable[[FastAPI, Telemetry], ASGIApp]] = {
    each.__name__: each for each in (instrument, instrument_app, add_middleware, wrap)
}


async def report(kind: str, agent: str, folder: str) -> dict[str, Any]:
    """What the agent has told of the conversation."""
    telemetry = Telemetry()
    if agent == "instrument":  # as the command `opentelemetry-instrument` does
        FastAPIInstrumentor().instrument(tracer_provider=telemetry.tracers, meter_provider=telemetry.meters)
    from twins import twins

    app = AGENTS[agent](twins(Path(folder))[kind](), telemetry)
    async with in_process(app) as client:
        asked = await conversation(client, CONVERSATION, telemetry.spans)
    counts = telemetry.counts("http.server.request.duration")
    return {
        "asked": [[each.request, each.status, each.body] for each in asked],
        "servers": [[span._asdict() for span in servers(each.reports)] for each in asked],
        "spans": [sorted(span.name for span in each.reports) for each in asked],
        "cache": [[cache_of_span(span) for span in each.reports if span.kind is SpanKind.SERVER] for each in asked],
        "counts": sorted([[str(part) for part in key], count] for key, count in counts.items()),
    }


@pytest.fixture(scope="module", params=AGENTS)
def reports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of both services, and the agent's name."""
    folder = str(tmp_path_factory.mktemp("service"))
    kinds = {kind: apart(report, kind, request.param, folder, env=STABLE) for kind in ("fastapi", "millpond")}
    return {**kinds, "agent": request.param}


def test_answers_spans_and_counts_are_those_of_fastapi(reports: dict[str, Any]) -> None:
    ours, theirs = reports["millpond"], reports["fastapi"]
    assert ours["asked"] == theirs["asked"]
    assert ours["spans"] == theirs["spans"]
    assert ours["counts"] == theirs["counts"]
    again = [request for request in CONVERSATION if " /sub/" in request and reports["agent"] == "instrument"]
    counted = len(CONVERSATION) + len(again)  # the mounted application is instrumented, too
    assert sum(count for _, count in ours["counts"]) == counted
    assert [len(each) for each in ours["servers"]] == [1] * len(CONVERSATION)
    if reports["agent"].startswith("instrument"):
        assert ours["servers"] == theirs["servers"]
    else:
        assert [[without_route(span) for span in each] for each in ours["servers"]] == theirs["servers"]


def without_route(span: dict[str, Any]) -> dict[str, Any]:
    return {**span, "attributes": {name: value for name, value in span["attributes"].items() if name != "http.route"}}


def test_every_span_of_a_file_route_has_its_route_and_what_the_cache_did(reports: dict[str, Any]) -> None:
    ours = reports["millpond"]
    told = [
        (request, span["attributes"].get("http.route"), *cache)
        for request, [span], [cache] in zip(CONVERSATION, ours["servers"], ours["cache"], strict=True)
    ]
    assert told[: len(OF_FILES)] == OF_FILES
    assert [cache for *_, status, reason in told[len(OF_FILES) :] for cache in (status, reason) if cache] == [
        "LIVE",
        "live",
    ]


OF_FILES = [
    ("GET /static", "/static", "MISS", "cold"),
    ("GET /static", "/static", "HIT", "fresh"),
    ("GET /static", "/static", "HIT", "fresh"),
    ("GET /things/1", "/things/{id}", "MISS", "cold"),
    ("GET /things/1", "/things/{id}", "HIT", "fresh"),
    ("GET /things/2?size=3", "/things/{id}", "MISS", "cold"),
    ("HEAD /things/9", "/things/{id}", "MISS", "cold"),
    ("GET /live", "/live", "LIVE", "live"),
    ("POST /orders", "/orders", "LIVE", "live"),
    ("POST /orders?wrong", "/orders", "LIVE", "live"),
    ("GET /failing", "/failing", "MISS", "cold"),
    ("GET /failing-live", "/failing-live", "LIVE", "live"),
]
