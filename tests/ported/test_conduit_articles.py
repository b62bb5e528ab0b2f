"""Articles, comments and tags of Conduit, after the specification's collection of requests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ported.conduit.clients import Member
from ported.conduit.main import get_application
from ported.conduit.settings import Settings


@pytest.fixture
def client(constructor: type[FastAPI], tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(get_application(constructor, Settings(tmp_path / "conduit.db"))) as client:
        yield client


@pytest.fixture
def jake(client: TestClient) -> Member:
    return Member(client, "jake")


@pytest.fixture
def anna(client: TestClient) -> Member:
    return Member(client, "anna")


def test_an_article_is_written_and_read(client: TestClient, jake: Member) -> None:
    article = {"title": "How to train your dragon", "description": "Ever?", "body": "So", "tagList": ["t", "dragons"]}
    written = jake.ask("POST", "/articles", json={"article": article})
    assert written.status_code == 201
    assert written.headers["location"].endswith("/how-to-train-your-dragon")
    body = written.json()["article"]
    assert body.keys() == {
        "slug",
        "title",
        "description",
        "body",
        "tagList",
        "createdAt",
        "updatedAt",
        "favorited",
        "favoritesCount",
        "author",
    }
    assert body["tagList"] == ["dragons", "t"]
    assert client.get("/api/articles/how-to-train-your-dragon").json() == {"article": body}
    assert jake.get("/articles/how-to-train-your-dragon").json() == {"article": body}
    assert client.get("/api/articles/no-such").json() == {"errors": {"body": ["article no-such does not exist"]}}


def test_a_title_is_used_once(jake: Member) -> None:
    jake.write("Same title")
    article = {"title": "Same, title!", "description": "d", "body": "b"}
    assert jake.ask("POST", "/articles", json={"article": article}).status_code == 422


def test_an_author_changes_the_article_and_its_slug(client: TestClient, jake: Member, anna: Member) -> None:
    jake.write("First title")
    assert client.get("/api/articles/first-title").status_code == 200
    assert anna.ask("PUT", "/articles/first-title", json={"article": {"body": "mine"}}).status_code == 403
    changed = jake.ask("PUT", "/articles/first-title", json={"article": {"title": "Second title"}})
    assert changed.json()["article"]["slug"] == "second-title"
    assert client.get("/api/articles/first-title").status_code == 404
    assert client.get("/api/articles/second-title").json()["article"]["title"] == "Second title"


def test_an_author_deletes_the_article(client: TestClient, jake: Member, anna: Member) -> None:
    jake.write("Short lived", "brief")
    assert client.get("/api/tags").json() == {"tags": ["brief"]}
    assert client.delete("/api/articles/short-lived").status_code == 401
    assert anna.ask("DELETE", "/articles/short-lived").status_code == 403
    deleted = jake.ask("DELETE", "/articles/short-lived")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.get("/api/articles/short-lived").status_code == 404
    assert client.get("/api/articles").json() == {"articles": [], "articlesCount": 0}
    assert client.get("/api/tags").json() == {"tags": []}


def test_articles_are_listed_and_chosen(client: TestClient, jake: Member, anna: Member) -> None:
    jake.write("One", "a")
    jake.write("Two", "a", "b")
    anna.write("Three", "b")
    anna.ask("POST", "/articles/one/favorite")
    expected = {
        "": (["three", "two", "one"], 3),
        "?limit=2": (["three", "two"], 3),
        "?limit=2&offset=2": (["one"], 3),
        "?offset=2&limit=2": (["one"], 3),
        "?tag=a": (["two", "one"], 2),
        "?author=anna": (["three"], 1),
        "?favorited=anna": (["one"], 1),
        "?author=nobody": ([], 0),
        "?tag=a&author=anna": ([], 0),
    }
    for query, (slugs, count) in expected.items():
        path = f"/api/articles{query}"
        for answer in (client.get(path), client.get(path), jake.get("/articles" + query)):
            assert [article["slug"] for article in answer.json()["articles"]] == slugs
            assert answer.json()["articlesCount"] == count


def test_a_page_that_there_cannot_be_is_422(client: TestClient) -> None:
    for query in ("limit=0", "limit=101", "limit=x", "offset=-1") * 2:
        answer = client.get(f"/api/articles?{query}")
        assert answer.status_code == 422
        assert answer.json()["errors"]["body"][0].startswith(query.partition("=")[0])


def test_a_feed_has_what_one_follows(client: TestClient, jake: Member, anna: Member) -> None:
    jake.write("Of jake")
    anna.write("Of anna")
    assert client.get("/api/articles/feed").status_code == 401
    assert anna.get("/articles/feed").json()["articlesCount"] == 0
    anna.ask("POST", "/profiles/jake/follow")
    (article,) = anna.get("/articles/feed").json()["articles"]
    assert (article["slug"], article["author"]["following"]) == ("of-jake", True)


def test_likes_are_counted_for_all_and_shown_to_those_who_like(client: TestClient, jake: Member, anna: Member) -> None:
    jake.write("Liked")
    assert client.get("/api/articles/liked").json()["article"]["favoritesCount"] == 0
    liked = anna.ask("POST", "/articles/liked/favorite").json()["article"]
    assert (liked["favorited"], liked["favoritesCount"]) == (True, 1)
    for asks, favorited in ((anna.get("/articles/liked"), True), (jake.get("/articles/liked"), False)):
        assert asks.json()["article"]["favorited"] is favorited
    assert client.get("/api/articles/liked").json()["article"]["favoritesCount"] == 1
    assert anna.ask("DELETE", "/articles/liked/favorite").json()["article"]["favoritesCount"] == 0
    assert client.get("/api/articles").json()["articles"][0]["favoritesCount"] == 0


def test_comments_are_written_read_and_deleted(client: TestClient, jake: Member, anna: Member) -> None:
    jake.write("Discussed")
    path = "/articles/discussed/comments"
    assert client.get(f"/api{path}").json() == {"comments": []}
    assert client.post(f"/api{path}", json={"comment": {"body": "?"}}).status_code == 401
    comment = anna.ask("POST", path, json={"comment": {"body": "Thank you!"}}).json()["comment"]
    assert comment.keys() == {"id", "createdAt", "updatedAt", "body", "author"}
    assert client.get(f"/api{path}").json() == {"comments": [comment]}
    assert jake.ask("DELETE", f"{path}/{comment['id']}").status_code == 403
    assert anna.ask("DELETE", f"{path}/{comment['id'] + 1}").status_code == 404
    assert anna.ask("DELETE", f"{path}/one").status_code == 422
    assert anna.ask("DELETE", f"{path}/{comment['id']}").status_code == 204
    assert client.get(f"/api{path}").json() == {"comments": []}
    assert anna.ask("POST", "/articles/no-such/comments", json={"comment": {"body": "?"}}).status_code == 404


def test_a_new_name_is_in_what_the_member_has_written(client: TestClient, jake: Member) -> None:
    jake.write("Signed")
    assert client.get("/api/articles").json()["articles"][0]["author"]["username"] == "jake"
    jake.ask("PUT", "/user", json={"user": {"username": "jacob"}})
    assert client.get("/api/articles").json()["articles"][0]["author"]["username"] == "jacob"
    assert client.get("/api/articles/signed").json()["article"]["author"]["username"] == "jacob"


def test_head_and_other_methods_are_refused_as_declared(client: TestClient, jake: Member) -> None:
    jake.write("Here")
    for _ in range(2):
        assert client.get("/api/articles/here").status_code == 200
        assert client.head("/api/articles/here").status_code == 405
        assert client.patch("/api/articles/here").status_code == 405
