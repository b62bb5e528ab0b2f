from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from millpond.errors import ConfigError
from millpond.serve.revalidation import MAX_BODY_BYTES
from millpond.serve.webhooks.token_bucket import TokenBucket
from ponds import Clock, Project, Running, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Message

pytestmark = pytest.mark.anyio

SECRET = "correct horse battery staple"
RIGHT = {"authorization": f"Bearer {SECRET}"}
ROUTE = """
    import itertools
    from millpond import cached

    dynamic = "force-static"
    count = itertools.count(1)

    @cached(tags=["prices"])
    def price():
        return 7

    def GET():
        return {"n": next(count), "price": price()}
"""


@asynccontextmanager
async def shop(project: Project, **endpoint: Any) -> AsyncIterator[Running]:
    project.routes({"/list": ROUTE, "/items/[id]": 'dynamic = "force-static"\ndef GET(id: str): return id\n'})
    async with project.serving(revalidate_endpoint={"secret": SECRET, **endpoint}) as running:
        yield running


async def test_a_call_with_the_secret_invalidates_tags_before_it_is_answered(project: Project) -> None:
    async with shop(project) as pond:
        answer = await pond.post("/api/revalidate", headers=RIGHT, json={"tags": ["prices"]})
        assert answer.status_code == 200
        assert answer.json() == {"tags": 1, "paths": 0, "generation": 1}
        assert await pond.cache("/list") == "MISS"


async def test_a_profile_leaves_older_answers_to_be_served_as_stale(project: Project) -> None:
    async with shop(project) as pond:
        await pond.post("/api/revalidate", headers=RIGHT, json={"tags": ["prices"], "profile": {"expire": 60}})
        assert await pond.cache("/list") == "STALE"


async def test_paths_and_patterns_are_invalidated_too(project: Project) -> None:
    async with shop(project) as pond:
        assert [await pond.cache("/items/7") for _ in range(2)] == ["MISS", "HIT"]
        answer = await pond.post("/api/revalidate", headers=RIGHT, json={"paths": ["/items/[id]", "/item"]})
        assert await pond.cache("/items/7") == "MISS"
        assert answer.json()["warnings"] == ['no route has the path "/item"; did you mean "/list"?']
        odd = {"paths": ["/items/7?page=1", "/items/50%"]}
        assert (await pond.post("/api/revalidate", headers=RIGHT, json=odd)).json()["paths"] == 2
        assert [await pond.cache("/items/7"), await pond.cache("/items/7")] == ["MISS", "HIT"]
        await pond.post("/api/revalidate", headers=RIGHT, json={"paths": ["/"], "type": "layout"})
        assert [await pond.cache("/items/7"), await pond.cache("/list")] == ["MISS", "MISS"]


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", f"Basic {SECRET}", "Bearer", SECRET])
async def test_a_wrong_secret_is_401_and_changes_nothing(project: Project, authorization: str | None) -> None:
    async with shop(project) as pond:
        headers = {"authorization": authorization} if authorization else {}
        answer = await pond.post("/api/revalidate", headers=headers, json={"tags": ["prices"]})
        assert answer.status_code == 401
        assert await pond.cache("/list") == "HIT"


async def test_more_wrong_secrets_than_a_minute_allows_are_429_with_the_time_to_wait(project: Project) -> None:
    async with shop(project, per_minute=2) as pond:
        statuses = [(await pond.post("/api/revalidate", json={})).status_code for _ in range(3)]
        assert statuses == [401, 401, 429]
        refused = await pond.post("/api/revalidate", headers={"authorization": "Bearer wrong"}, json={})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) == 31
        project.clock.move(31)
        assert (await pond.post("/api/revalidate", json={})).status_code == 401


async def test_who_knows_the_secret_is_never_held_up_by_those_who_guess(project: Project) -> None:
    async with shop(project, per_minute=2) as pond:
        for _ in range(5):
            await pond.post("/api/revalidate", json={})
            answer = await pond.post("/api/revalidate", headers=RIGHT, json={"tags": ["prices"]})
            assert answer.status_code == 200
        assert (await pond.post("/api/revalidate", json={})).status_code == 429


async def test_the_log_of_wrong_secrets_grows_no_faster_than_they_are_let_through(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop(project, per_minute=2) as pond:
        for _ in range(50):
            await pond.post("/api/revalidate", json={})
    assert caplog.text.count("had no right secret") == 2


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "no order"),
        (b"[]", "no order"),
        (b'{"tag": ["a"]}', "tag"),
        (b"{}", "give tags or paths"),
        (b'{"tags": ["a"], "profile": "houors"}', 'did you mean "hours"'),
        (b'{"tags": ["a"], "expire": -1}', "expire = -1"),
        (b'{"paths": ["items"]}', 'write "/items"'),
        (b'{"tags": ["' + b"x" * 300 + b'"]}', "256"),
        (b'{"paths": ["/' + b"x" * 2000 + b'"]}', "2001 characters is over 1024"),
        (b'{"paths": [' + b'"/a", ' * 200 + b'"/b"]}', "201 paths are over 128"),
        (b'{"tags": [' + b'"\\u0000", ' * 5000 + b'"t"]}', "4990 more"),
        (b"\xff", "no order"),
    ],
)
async def test_a_body_that_makes_no_sense_is_400_and_says_why(project: Project, body: bytes, says: str) -> None:
    async with shop(project) as pond:
        answer = await pond.post("/api/revalidate", headers=RIGHT, content=body)
        assert answer.status_code == 400
        assert says in answer.json()["error"]
        assert len(answer.content) < 2000


async def test_a_body_over_the_limit_is_413(project: Project) -> None:
    async with shop(project) as pond:
        answer = await pond.post("/api/revalidate", headers=RIGHT, content=b" " * (MAX_BODY_BYTES + 1))
        assert answer.status_code == 413


async def test_only_post_is_taken(project: Project) -> None:
    async with shop(project) as pond:
        answer = await pond.get("/api/revalidate", headers=RIGHT)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_there_is_no_endpoint_unless_the_configuration_asks_for_one(project: Project) -> None:
    project.routes({"/list": ROUTE})
    async with project.serving() as pond:
        assert (await pond.post("/api/revalidate", headers=RIGHT, json={"tags": ["prices"]})).status_code == 404


async def test_the_secret_can_come_from_the_environment(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.routes({"/list": ROUTE})
    endpoint = {"secret_env": "WEBHOOK_SECRET", "path": "/hook"}
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    async with project.serving(revalidate_endpoint=endpoint) as pond:
        assert (await pond.post("/hook", headers=RIGHT, json={"tags": ["prices"]})).status_code == 200
    monkeypatch.setenv("WEBHOOK_SECRET", f" {SECRET}\n")  # as a file may have it
    async with project.started(revalidate_endpoint=endpoint) as pond:
        assert (await pond.post("/hook", headers=RIGHT, json={"tags": ["prices"]})).status_code == 200
    monkeypatch.setenv("WEBHOOK_SECRET", f"{SECRET[:15]}     ")
    with pytest.raises(ConfigError, match=r'"WEBHOOK_SECRET" has 15 characters; use 16 or more.*openssl'):
        await start(project.pond(revalidate_endpoint=endpoint))
    monkeypatch.delenv("WEBHOOK_SECRET")
    with pytest.raises(ConfigError, match="WEBHOOK_SECRET, which is not set"):
        await start(project.pond(revalidate_endpoint=endpoint))


@pytest.mark.parametrize(
    "endpoint",
    [
        {},
        {"secret": "short"},
        {"secret": "short" + 11 * " "},
        {"secret": SECRET, "secret_env": "X"},
        {"secret": SECRET, "path": "hook"},
    ],
)
async def test_an_endpoint_that_could_not_be_safe_is_a_configuration_error(
    project: Project, endpoint: dict[str, str]
) -> None:
    with pytest.raises(ConfigError, match="revalidate_endpoint"):
        project.pond(revalidate_endpoint=endpoint)


def test_a_bucket_fills_with_time_and_never_over_its_rim() -> None:
    clock = Clock()
    bucket = TokenBucket(60, clock)
    clock.move(3600)
    assert [bucket.take() for _ in range(60)] == [0] * 60
    assert bucket.take() == pytest.approx(1)
    clock.move(-50)  # a clock that steps back gives nothing
    assert bucket.take() > 0


async def test_a_call_that_ends_before_its_body_invalidates_nothing(project: Project) -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": b'{"tags": ["prices"]}', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/revalidate",
        "raw_path": b"/api/revalidate",
        "query_string": b"",
        "headers": [(b"authorization", RIGHT["authorization"].encode())],
    }
    async with shop(project) as pond:
        await pond.cache("/list")
        await pond.pond(scope, receive, send)
        assert sent[0]["status"] == 400
        assert b"the request ended before its body" in sent[1]["body"]
        assert await pond.cache("/list") == "HIT"
