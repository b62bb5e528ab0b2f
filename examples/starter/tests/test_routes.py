from millpond.testing import (
    TestClient,
    assert_hit,
    assert_live,
    assert_miss,
    assert_stale,
)


def ids(client: TestClient, path: str) -> list[str]:
    return [note["id"] for note in client.get(path).json()]


def test_the_home_page_is_rendered_once(client: TestClient) -> None:
    assert assert_miss(client.get("/")).json()["project"] == "starter"
    assert_hit(client.get("/"))


def test_the_time_is_a_minute_old_at_most(client: TestClient) -> None:
    client.get("/time")
    assert_hit(client.get("/time"))
    client.clock.move(61)
    assert_stale(client.get("/time"))


def test_a_search_runs_for_each_request(client: TestClient) -> None:
    assert ids(client, "/search?text=EDIT") == ["first"]
    assert_live(client.get("/search?text=EDIT"))


def test_a_new_note_is_in_the_next_answer(client: TestClient) -> None:
    assert ids(client, "/notes") == ["first"]
    assert client.get("/notes/second").status_code == 404
    client.post("/notes", json={"id": "second", "text": "Two"})
    assert_miss(client.get("/notes"))
    assert ids(client, "/notes") == ["first", "second"]
    assert client.get("/notes/second").json() == {"id": "second", "text": "Two"}


def test_search_engines_stay_out_of_the_search(client: TestClient) -> None:
    assert "Disallow: /search" in client.get("/robots.txt").text
