"""Conduit as a Millpond: five of its endpoints have `@static`, and are hits until somebody writes."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx2 import Response

from millpond import Millpond
from millpond.testing import TestClient, assert_hit, assert_miss, assert_stale
from ported.conduit.clients import Member
from ported.conduit.main import get_application
from ported.conduit.settings import Settings

FIVE = [
    "/api/tags",
    "/api/articles",
    "/api/articles?tag=rivers&limit=5",
    "/api/articles/the-weir",
    "/api/articles/the-weir/comments",
    "/api/profiles/jake",
]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(get_application(Millpond, Settings(tmp_path / "conduit.db"))) as client:
        yield client


@pytest.fixture
def jake(client: TestClient) -> Member:
    member = Member(client, "jake")
    member.write("The weir", "rivers")
    return member


def is_made_for_one(answer: Response) -> bool:
    """An endpoint without `@static` says nothing of a cache."""
    return answer.status_code == 200 and "x-nextjs-cache" not in answer.headers


def test_the_five_are_hits_for_visitors_and_made_for_members(client: TestClient, jake: Member) -> None:
    for path in FIVE:
        first = assert_miss(client.get(path))
        assert assert_hit(client.get(path)).content == first.content
        assert is_made_for_one(jake.get(path.removeprefix("/api"))) is (path != "/api/tags")
        assert_hit(client.get(path))
        assert client.why_live(path) is None


def test_what_a_member_sees_is_kept_for_nobody(client: TestClient, jake: Member) -> None:
    anna = Member(client, "anna")
    anna.ask("POST", "/articles/the-weir/favorite")
    anna.ask("POST", "/profiles/jake/follow")
    for path in FIVE[1:]:
        assert is_made_for_one(anna.get(path.removeprefix("/api")))
        for _ in range(2):
            answer = client.get(path).text
            assert '"favorited":true' not in answer
            assert '"following":true' not in answer
        if path != "/api/articles/the-weir/comments":
            assert ":true" in anna.get(path.removeprefix("/api")).text


def misses(client: TestClient) -> set[str]:
    """Which of the five are rendered again."""
    return {path for path in FIVE if client.get(path).headers["x-nextjs-cache"] == "MISS"}


def test_a_write_renders_again_what_shows_it_and_nothing_else(client: TestClient, jake: Member) -> None:
    lists, article, comments = set(FIVE[1:3]), FIVE[3], FIVE[4]
    assert misses(client) == set(FIVE)
    comment = {"comment": {"body": "It is still open."}}
    assert jake.ask("POST", "/articles/the-weir/comments", json=comment).status_code == 200
    assert misses(client) == {comments}
    assert jake.ask("PUT", "/articles/the-weir", json={"article": {"body": "Twice."}}).status_code == 200
    assert misses(client) == {"/api/tags", *lists, article, comments}
    jake.write("The mill", "mills")
    assert misses(client) == {"/api/tags", *lists}
    assert jake.ask("PUT", "/user", json={"user": {"bio": "Miller."}}).status_code == 200
    assert misses(client) == {*lists, article, comments, "/api/profiles/jake"}
    assert misses(client) == set()


def test_a_write_that_is_refused_renders_nothing_again(client: TestClient, jake: Member) -> None:
    anna = Member(client, "anna")
    misses(client)
    assert anna.ask("PUT", "/articles/the-weir", json={"article": {"body": "Mine."}}).status_code == 403
    assert client.put("/api/articles/the-weir", json={"article": {"body": "Mine."}}).status_code == 401
    assert anna.ask("PUT", "/articles/the-weir", json={"article": {"body": ""}}).status_code == 403
    assert misses(client) == set()


def test_what_is_not_there_is_kept_until_it_is_written(client: TestClient, jake: Member) -> None:
    assert assert_miss(client.get("/api/articles/the-mill")).status_code == 404
    assert_hit(client.get("/api/articles/the-mill"))
    jake.write("The mill")
    assert assert_miss(client.get("/api/articles/the-mill")).status_code == 200


def test_lists_grow_old_after_a_minute_and_articles_after_an_hour(client: TestClient, jake: Member) -> None:
    misses(client)
    client.clock.move(61)
    assert_stale(client.get("/api/articles"))
    assert_hit(client.get("/api/articles/the-weir"))
    client.clock.move(3600)
    assert_stale(client.get("/api/articles/the-weir"))


def test_hits_pass_the_middleware(client: TestClient, jake: Member) -> None:
    times = set()
    for _ in range(2):
        answer = client.get("/api/tags", headers={"Origin": "https://blog.example"})
        times.add(answer.headers["x-process-time"])
        assert answer.headers["access-control-allow-origin"] in {"*", "https://blog.example"}
    assert_hit(answer)
    assert len(times) == 2


def test_routes_that_decline_visitors_hide_nothing_from_the_build(
    client: TestClient, jake: Member, tmp_path: Path
) -> None:
    app = get_application(Millpond, Settings(tmp_path / "conduit.db"))
    assert isinstance(app, Millpond)
    built = asyncio.run(app.build())
    assert [str(failure) for failure in built.failures] == []
    kept = {record.pattern: [each.path for each in record.paths] for record in built.manifest.routes}
    assert kept == {
        "/api/articles": ["/api/articles"],
        "/api/articles/[slug]": [],
        "/api/articles/[slug]/comments": [],
        "/api/profiles/[username]": [],
        "/api/tags": ["/api/tags"],
    }
