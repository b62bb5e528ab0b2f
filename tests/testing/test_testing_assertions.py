"""Assertions about responses say what happened instead, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi.testclient import TestClient as PlainTestClient

from millpond import Millpond
from millpond.testing import TestClient, assert_hit, assert_live, assert_miss, assert_stale

if TYPE_CHECKING:
    from collections.abc import Callable

    from ponds import Project

ROUTES = {
    "/": "revalidate = 60\ndef GET(): return 1\n",
    "/search": 'dynamic = "force-dynamic"\ndef GET(q: str): return q\n',
    "/agent": """
        from millpond import headers
        revalidate = 60
        def GET():
            return headers()["user-agent"]
        """,
    "/items/[id]": "revalidate = 60\ndef GET(id: int): return id\n",
    "/draft": """
        from millpond import draft_mode
        def GET(): draft_mode().enable()
        """,
}


@pytest.fixture
def shop(project: Project) -> Millpond:
    project.routes(ROUTES)
    return Millpond(project.folder / "app")


def message_of(assertion: Callable[[Any], object], response: object) -> str:
    with pytest.raises(AssertionError) as failed:
        assertion(response)
    return str(failed.value)


def test_they_return_the_response(shop: Millpond) -> None:
    client = TestClient(shop)
    assert assert_miss(client.get("/")).json() == 1
    assert assert_hit(client.get("/")).json() == 1
    assert assert_live(client.get("/search", params={"q": "oak"})).json() == "oak"
    client.clock.move(61)
    assert assert_stale(client.head("/")).text == ""


def test_a_failure_names_the_request_and_the_decision(shop: Millpond) -> None:
    client = TestClient(shop)
    assert message_of(assert_hit, client.get("/")) == "GET http://testserver/ was MISS (cold), not HIT"
    assert message_of(assert_miss, client.get("/")) == "GET http://testserver/ was HIT (fresh), not MISS"
    client.invalidate(paths="/")
    assert message_of(assert_stale, client.get("/")) == "GET http://testserver/ was MISS (tag), not STALE"
    assert message_of(assert_live, client.head("/")) == "HEAD http://testserver/ was HIT (fresh), not live"


def test_a_failure_says_why_a_live_route_is_live(shop: Millpond) -> None:
    client = TestClient(shop)
    answer = client.get("/search?q=oak")
    assert message_of(assert_hit, answer) == (
        'GET http://testserver/search?q=oak was live (live), not HIT: dynamic = "force-dynamic" · app/search/route.py:1'
    )
    answer = client.get("/agent")
    client.get("/")
    assert message_of(assert_miss, answer) == (
        "GET http://testserver/agent was live (turned-dynamic), not MISS: headers() · app/agent/route.py:5"
    )


def test_a_failure_says_that_an_answer_was_not_stored_and_with_which_status(shop: Millpond) -> None:
    answer = TestClient(shop).get("/items/oak")
    assert message_of(assert_hit, answer) == (
        "GET http://testserver/items/oak was MISS (cold; its 422 wasn't stored), not HIT"
    )


def test_a_failure_tells_draft_mode_and_what_no_file_route_has_answered(shop: Millpond) -> None:
    client = TestClient(shop, base_url="https://testserver")
    client.get("/draft")
    assert message_of(assert_hit, client.get("/")) == "GET https://testserver/ was BYPASS (draft), not HIT"
    assert message_of(assert_hit, client.get("/openapi.json")) == (
        "GET https://testserver/openapi.json was answered with 200 by no file route, not HIT"
    )


def test_responses_of_other_clients_are_told_apart_too(shop: Millpond) -> None:
    with PlainTestClient(shop) as plain:
        assert_miss(plain.get("/"))
        assert_hit(plain.get("/"))
        assert message_of(assert_hit, plain.get("/agent")).endswith("was live (turned-dynamic), not HIT")


@pytest.mark.parametrize(
    ("assertion", "headers"),
    [
        (
            assert_hit,
            {"X-Nextjs-Cache": "HIT", "Cache-Status": "Millpond; hit; ttl=9; detail=fresh, Varnish; fwd=miss"},
        ),
        (assert_stale, {"x-nextjs-cache": "STALE", "cache-status": "Nginx; hit, Millpond; hit; ttl=-4; detail=age"}),
        (assert_live, {"cache-status": "Millpond; fwd=bypass; detail=live"}),
    ],
)
def test_behind_other_caches_it_is_millpond_that_counts(
    assertion: Callable[[Any], object], headers: dict[str, str]
) -> None:
    assertion(httpx2.Response(200, headers=headers))
    assert message_of(assertion, httpx2.Response(200, headers={"cache-status": "Millponds; hit"})).startswith(
        "the response was answered with 200 by no file route"
    )
