"""Sentry and what many requests share: renders, cached functions and fetches, and callbacks after the answer."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
import sentry_kept
import sentry_sdk
from apart import apart
from asked import caller, conversation
from sentry_sdk.integrations.fastapi import FastApiIntegration
from sentry_sdk.integrations.starlette import StarletteIntegration
from twins import pond

HEAD = "import sentry_sdk\nfrom test_agents_sentry_shared import trace\n"
LIVE = f"{HEAD}dynamic = 'force-dynamic'\n"
TELLS = """def GET(user):
    sentry_sdk.set_user({"id": user})
    sentry_sdk.set_tag("user", user)
    sentry_sdk.capture_message("hello")
    raise ValueError("told")
"""
ROUTES = {
    "/shared/[n]": "revalidate = 60\nasync def GET(n, request): return n\n",
    "/shared-sync/[n]": "revalidate = 60\ndef GET(n, request): return n\n",
    "/refused/[n]": """
from fastapi import HTTPException
revalidate = 60
def GET(n, request): raise HTTPException(503)
""",
    "/tells/[user]": f"{LIVE}async {TELLS}",
    "/tells-sync/[user]": f"{LIVE}{TELLS}",
    "/render-tells/[n]": HEAD
    + """
revalidate = 60
def GET(n):
    sentry_sdk.set_tag("user", "of the render")
    return trace()
""",
    "/uses-data/[user]": LIVE
    + """
from millpond import cached
@cached
async def data():
    sentry_sdk.set_tag("user", "of the function")
    return trace()
@cached
def data_sync():
    sentry_sdk.set_tag("user", "of the function")
    return trace()
async def GET(user):
    sentry_sdk.set_user({"id": user})
    return [await data(), data_sync(), trace()]
""",
    "/uses-upstream/[user]": LIVE
    + """
from millpond import fetch
from test_agents_sentry_shared import upstream
async def GET(user):
    async with upstream() as client:
        own = {"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01", "tracestate": "a=b"}
        uncached = await fetch("http://up.example/a", client=client, headers=own)
        cached = await fetch("http://up.example/b", client=client, headers=own, revalidate=60)
    return [uncached.json(), cached.json(), trace()]
""",
    "/later/[user]": LIVE
    + """
from millpond import after
async def late(): raise ValueError("late")
async def GET(user):
    sentry_sdk.set_user({"id": user})
    after(late)
    after(late())
    return user
""",
}
REQUESTS = (
    "GET /shared/1",
    "GET /shared/1",
    "GET /shared-sync/1",
    "GET /shared-sync/1",
    "GET /refused/1",
    "GET /tells/alice",
    "GET /tells-sync/alice",
    "GET /render-tells/1",
    "GET /uses-data/alice",
    "GET /uses-data/bob",
    "GET /uses-upstream/alice",
    "GET /later/alice",
)


def trace() -> str:
    """The trace that this code is part of."""
    return str(sentry_sdk.get_traceparent() or "").partition("-")[0]


def upstream() -> httpx2.AsyncClient:
    """A client of an upstream that answers with the headers that it was sent."""
    answer = httpx2.MockTransport(lambda request: httpx2.Response(200, json=dict(request.headers)))
    return httpx2.AsyncClient(transport=answer)


async def report(folder: str) -> list[Any]:
    """The answers, and what was sent of each."""
    logging.getLogger().addHandler(logging.NullHandler())
    by_endpoint = [each(transaction_style="endpoint") for each in (StarletteIntegration, FastApiIntegration)]
    sentry_kept.begin(integrations=by_endpoint, trace_propagation_targets=[".*"])
    app = pond(Path(folder), ROUTES)
    app.isolated = True  # as in a test, a request ends when all has ended that it has begun
    async with caller(app) as client:
        asked = await conversation(client, REQUESTS, sentry_kept.reported)
    return [
        [
            *(each.request, each.status, each.cache, each.body),
            [sentry_kept.told(event, "http://shop.example") for event in each.reports],
            [event["contexts"]["trace"]["trace_id"] for event in each.reports],
        ]
        for each in asked
    ]


class Report(NamedTuple):
    """One request, its answer, and what was sent of it."""

    request: str
    status: int
    cache: str | None
    body: str
    events: list[dict[str, Any]]
    traces: list[str]

    @property
    def found(self) -> Any:
        """What the handler has answered."""
        return json.loads(self.body)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[Report]:
    return [Report(*each) for each in apart(report, str(tmp_path_factory.mktemp("service")))]


def of(reports: list[Report], path: str) -> list[Report]:
    return [each for each in reports if each.request.startswith(f"GET /{path}")]


def test_what_sentry_reads_makes_no_route_live(reports: list[Report]) -> None:
    for path in ("shared/", "shared-sync/"):
        assert [(each.cache, each.found) for each in of(reports, path)] == [("MISS", "1"), ("HIT", "1")]


def test_each_request_is_one_transaction_in_a_trace_of_its_own(reports: list[Report]) -> None:
    kinds = [[event["type"] for event in each.events].count("transaction") for each in reports]
    assert kinds == [1] * len(REQUESTS)
    own = [each for each in reports if not each.request.startswith(("GET /refused", "GET /later"))]
    assert [len(set(each.traces)) for each in own] == [1] * (len(REQUESTS) - 2)
    assert len({each.traces[0] for each in reports}) == len(REQUESTS)


def test_transactions_of_cached_and_live_answers_have_the_name_of_the_endpoint(reports: list[Report]) -> None:
    names = {(each.request, event["name"], event["source"]) for each in reports for event in each.events}
    assert names == {
        (request, f"app.{folder}.{parameter}.route.GET", "component")
        for request, folder, parameter in (
            ("GET /shared/1", "shared", "_n_"),
            ("GET /shared-sync/1", "shared_sync", "_n_"),
            ("GET /refused/1", "refused", "_n_"),
            ("GET /tells/alice", "tells", "_user_"),
            ("GET /tells-sync/alice", "tells_sync", "_user_"),
            ("GET /render-tells/1", "render_tells", "_n_"),
            ("GET /uses-data/alice", "uses_data", "_user_"),
            ("GET /uses-data/bob", "uses_data", "_user_"),
            ("GET /uses-upstream/alice", "uses_upstream", "_user_"),
            ("GET /later/alice", "later", "_user_"),
        )
    }


def test_a_refusal_in_a_render_is_reported_once_with_the_renders_request(reports: list[Report]) -> None:
    [refused] = of(reports, "refused")
    assert refused.status == 503
    assert [(event["type"], event["errors"], event["request"][1], event["user"]) for event in refused.events] == [
        ("error", ["Service Unavailable"], "http://localhost:3000/refused/1", None),
        ("transaction", [], "/refused/1", None),
    ]
    assert len(set(refused.traces)) == 2


def test_what_a_live_handler_tells_is_on_the_events_of_its_request(reports: list[Report]) -> None:
    for path in ("tells/", "tells-sync/"):
        [told] = of(reports, path)
        found = [(event["type"], event["message"], event["errors"]) for event in told.events]
        assert found == [("error", "hello", []), ("error", None, ["told"]), ("transaction", None, [])]
        assert [(event["user"], event["tags"]["user"]) for event in told.events] == [({"id": "alice"}, "alice")] * 3


def test_a_render_and_a_cached_function_run_in_no_visitors_trace(reports: list[Report]) -> None:
    [render], (alice, bob) = of(reports, "render-tells"), of(reports, "uses-data")
    assert alice.found[:2] == bob.found[:2]
    assert len({*alice.found, *bob.found}) == 4  # those of two functions, and of two visitors
    assert render.found not in render.traces


def test_a_tag_that_they_set_is_on_nobodys_events(reports: list[Report]) -> None:
    assert "of the function" not in json.dumps([each.events for each in reports])
    assert "of the render" not in json.dumps([each.events for each in reports])
    assert [each.events[0]["user"] for each in of(reports, "uses-data")] == [{"id": "alice"}, {"id": "bob"}]


def test_an_upstream_whose_answer_is_kept_is_told_nobodys_trace(reports: list[Report]) -> None:
    [uses] = of(reports, "uses-upstream")
    uncached, cached, own = uses.found
    assert uncached["sentry-trace"].startswith(own)
    assert {"traceparent", "tracestate"} <= uncached.keys()
    assert not {"sentry-trace", "baggage", "traceparent", "tracestate"} & cached.keys()


def test_an_error_after_the_answer_is_the_requests(reports: list[Report]) -> None:
    [later] = of(reports, "later")
    errors = [event for event in later.events if event["type"] == "error"]
    assert [(event["errors"], event["request"][:2], event["user"]) for event in errors] == [
        (["late"], ["GET", "/later/alice"], {"id": "alice"})
    ] * 2
