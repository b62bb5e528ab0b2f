"""Sentry's own SDK in an application, side by side with the same endpoints in plain FastAPI."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

Report = dict[str, Any]

REQUESTS = [
    "GET /login/alice",
    "GET /error",
    "GET /login/bob",
    "GET /sync-error",
    "GET /fresh/1",
    "GET /fresh-sync/1",
    "GET /error",
    "GET /fresh-error/1",
    "GET /fresh-refused/1",
    "POST /error",
    "GET /tells/alice",
    "GET /error",
]
OF_MILLPOND = [
    "GET /static",
    "GET /fresh/1",
    "GET /uses-data/alice",
    "GET /uses-data/bob",
    "GET /error",
    "GET /uses-upstream/alice",
    "GET /later/alice",
]


def reports_of(kind: str, requests: list[str]) -> list[Report]:
    script = Path(__file__).with_name("sentry_apps.py")
    run = subprocess.run(
        [sys.executable, script, kind, json.dumps(requests)], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    found: list[Report] = json.loads(run.stdout)
    return found


@pytest.fixture(scope="module")
def of_millpond() -> list[Report]:
    return reports_of("pond", REQUESTS + OF_MILLPOND)


@pytest.fixture(scope="module")
def of_fastapi() -> list[Report]:
    return reports_of("fastapi", REQUESTS)


def told(event: dict[str, Any]) -> dict[str, Any]:
    """What somebody who looks into an event goes by."""
    request = event["request"]
    return {
        "type": event.get("type", "error"),
        "name": event["transaction"],
        "path": (request["method"], urlsplit(request["url"]).path),
        "user": event.get("user"),
        "tags": event.get("tags"),
        "message": event.get("message"),
        "errors": [each["value"] for each in event.get("exception", {}).get("values", [])],
        "mechanisms": [each["mechanism"] for each in event.get("exception", {}).get("values", [])],
    }


@pytest.mark.parametrize("position", range(len(REQUESTS)), ids=REQUESTS)
def test_a_request_is_reported_as_by_fastapi(
    of_millpond: list[Report], of_fastapi: list[Report], position: int
) -> None:
    ours, theirs = of_millpond[position], of_fastapi[position]
    assert ours["request"] == theirs["request"] == REQUESTS[position]
    assert ours["status"] == theirs["status"]
    assert [told(event) for event in ours["events"]] == [told(event) for event in theirs["events"]]
    assert [event["type"] for event in ours["events"] if "type" in event] == ["transaction"]


def test_each_request_is_a_trace_of_its_own(of_millpond: list[Report]) -> None:
    traces = [
        {event["contexts"]["trace"]["trace_id"] for event in report["events"]}
        for report in of_millpond[: len(REQUESTS)]
    ]
    assert [len(each) for each in traces] == [1] * len(REQUESTS)
    assert len(set.union(*traces)) == len(REQUESTS)


@pytest.fixture
def later(of_millpond: list[Report]) -> dict[str, list[Report]]:
    """What is Millpond's only, by request."""
    found: dict[str, list[Report]] = {}
    for report in of_millpond[len(REQUESTS) :]:
        found.setdefault(report["request"], []).append(report)
    assert list(found) == list(dict.fromkeys(OF_MILLPOND))
    return found


@pytest.mark.parametrize(("request_", "body"), [("GET /static", "built"), ("GET /fresh/1", "1")])
def test_what_sentry_reads_makes_no_route_live_and_a_hit_is_no_transaction(
    later: dict[str, list[Report]], request_: str, body: str
) -> None:
    (hit,) = later[request_]
    assert (hit["state"], json.loads(hit["body"]), hit["events"]) == ("HIT", body, [])


def test_a_cached_function_runs_in_no_visitors_trace(later: dict[str, list[Report]]) -> None:
    alice, bob = (json.loads(later[f"GET /uses-data/{name}"][0]["body"]) for name in ("alice", "bob"))
    assert alice[:2] == bob[:2]
    assert len({*alice, *bob}) == 4  # those of two functions, and of two visitors


def test_a_tag_that_a_cached_function_sets_is_on_nobodys_events(later: dict[str, list[Report]]) -> None:
    reports = [later[f"GET {path}"][0] for path in ("/uses-data/alice", "/uses-data/bob", "/error")]
    assert [len(report["events"]) for report in reports] == [1, 1, 2]
    assert "of the function" not in json.dumps(reports)
    assert [report["events"][0].get("user") for report in reports] == [{"id": "alice"}, {"id": "bob"}, None]


def test_an_upstream_whose_answer_is_kept_is_told_nobodys_trace(later: dict[str, list[Report]]) -> None:
    uncached, cached, trace = json.loads(later["GET /uses-upstream/alice"][0]["body"])
    assert uncached["sentry-trace"].startswith(trace)
    assert {"traceparent", "tracestate"} <= uncached.keys()
    assert not {"sentry-trace", "baggage", "traceparent", "tracestate"} & cached.keys()


def test_an_error_after_the_answer_is_the_requests(later: dict[str, list[Report]]) -> None:
    events = later["GET /later/alice"][0]["events"]
    errors = [told(event) for event in events if "type" not in event]
    assert [(each["errors"], each["path"], each["user"]) for each in errors] == [
        (["late"], ("GET", "/later/alice"), {"id": "alice"})
    ] * 2
