"""QUERY (RFC 10008): what it must have, and how it is answered live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from millpond import Millpond
from millpond.testing import TestClient, assert_hit, assert_miss
from ponds import Project, Running, cache_of, client_of

if TYPE_CHECKING:
    import httpx2

pytestmark = pytest.mark.anyio

LIVE = """
from typing import Annotated
from pydantic import BaseModel
from fastapi import Form, Request
from millpond import headers

class Search(BaseModel):
    term: str
    limit: int = 10
"""
ROUTES = {
    "/model": LIVE + "async def QUERY(search: Search, page: int = 1): return [search.term, search.limit, page]\n",
    "/form": LIVE + "def QUERY(term: Annotated[str, Form()]): return term\n",
    "/raw": LIVE + "async def QUERY(request: Request): return [(await request.body()).decode(), request.method]\n",
    "/json": LIVE + "async def QUERY(request: Request): return await request.json()\n",
    "/both": (
        "revalidate = 60\ndef GET(): return 'got'\ndef POST(): return 'posted'\n"
        + LIVE
        + "def QUERY(search: Search): return search\n"
    ),
    "/sql": (
        "from millpond import Request, operation\n"
        "@operation(openapi_extra={'requestBody': {'content': {'application/sql': {}}}})\n"
        "async def QUERY(request: Request): return (await request.body()).decode()\n"
    ),
    "/items/[id]": LIVE + "def QUERY(id: str, search: Search): return [id, search.term]\n",
}


USER = (
    LIVE + "from fastapi import Header\ndef QUERY(search: list[int], x_user: Annotated[str, Header()]): return x_user\n"
)


async def query(running: Running, path: str, **options: Any) -> httpx2.Response:
    return await running.client.request("QUERY", path, **options)


async def test_a_body_comes_as_that_of_a_post(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as running:
        for _ in range(2):
            answer = await query(running, "/model?page=3", json={"term": "oak"})
            assert (answer.status_code, answer.json()) == (200, ["oak", 10, 3])
            assert cache_of(answer) is None
            assert (await query(running, "/form", data={"term": "oak"})).json() == "oak"
            assert (await query(running, "/json", json=[1])).json() == [1]
            assert (await query(running, "/items/a%2Fb", json={"term": "oak"})).json() == ["a/b", "oak"]
            kind = {"content-type": "text/plain"}
            assert (await query(running, "/raw", content=b"SELECT 1", headers=kind)).json() == ["SELECT 1", "QUERY"]
        answer = await query(running, "/model", json={"limit": 1})
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "term"])


async def test_a_query_that_doesnt_say_what_it_is_is_400(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as running:
        for headers in ({}, {"content-type": ""}, {"content-type": "json"}):
            answer = await query(running, "/model", content=b'{"term": "a"}', headers=headers)
            assert answer.status_code == 400, headers
            assert "Content-Type" in answer.json()["detail"]
            assert answer.headers["accept-query"] == "application/json"
        twice = [("content-type", "application/json"), ("content-type", "text/plain")]
        assert (await query(running, "/raw", content=b"{}", headers=twice)).status_code == 400


async def test_a_type_that_isnt_taken_is_415(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as running:
        answer = await query(running, "/model", content=b"a", headers={"content-type": "text/plain"})
        assert (answer.status_code, answer.headers["accept-query"]) == (415, "application/json")
        assert answer.json() == {"detail": "text/plain isn't taken; application/json is."}
        answer = await query(running, "/form", json={"term": "a"})
        assert answer.status_code == 415
        assert answer.headers["accept-query"] == "application/x-www-form-urlencoded, multipart/form-data"
        answer = await query(running, "/sql", content=b"a", headers={"content-type": "text/plain"})
        assert (answer.status_code, answer.headers["accept-query"]) == (415, "application/sql")
        answer = await query(running, "/sql", content=b"SELECT 1", headers={"content-type": "application/sql"})
        assert (answer.json(), answer.headers["accept-query"]) == ("SELECT 1", "application/sql")


async def test_every_answer_of_the_path_says_with_what_it_may_be_queried(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as running:
        for method, status in (("GET", 200), ("HEAD", 200), ("POST", 200), ("OPTIONS", 204), ("DELETE", 405)):
            answer = await running.client.request(method, "/both")
            assert (answer.status_code, answer.headers["accept-query"]) == (status, "application/json"), method
        assert (await running.client.options("/both")).headers["allow"] == "GET, HEAD, OPTIONS, POST, QUERY"
        assert "accept-query" not in (await running.client.options("/raw")).headers
        answer = await query(running, "/both", json={"term": "a"})
        assert (answer.json(), answer.headers["accept-query"]) == ({"term": "a", "limit": 10}, "application/json")
        for expected in ("HIT", "HIT"):  # GET has an answer of its own
            answer = await running.get("/both")
            assert (answer.json(), cache_of(answer)) == ("got", expected)


async def test_a_route_without_query_has_405(project: Project) -> None:
    project.routes({"/": "def GET(): return 1\n"})
    async with project.serving() as running:
        answer = await query(running, "/", json={})
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


async def test_cors_preflights_may_allow_it(project: Project) -> None:
    project.routes(ROUTES)
    cors = {
        "allow_origins": ["https://a.example"],
        "allow_methods": ["GET", "QUERY"],
        "allow_headers": ["content-type"],
    }
    async with project.started(cors=cors) as running:
        asked = {
            "origin": "https://a.example",
            "access-control-request-method": "QUERY",
            "access-control-request-headers": "content-type",
        }
        answer = await running.client.options("/model", headers=asked)
        assert answer.status_code == 200
        assert "QUERY" in answer.headers["access-control-allow-methods"]
        answer = await query(running, "/model", json={"term": "a"}, headers={"origin": "https://a.example"})
        assert (answer.json()[0], answer.headers["access-control-allow-origin"]) == ("a", "https://a.example")


def test_a_test_client_sends_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.routes(ROUTES)
    monkeypatch.chdir(project.folder)
    project.routes(
        {"/cached": "cache_query_body = True\n" + ROUTES["/raw"], "/one": "cache_query_body = True\n" + USER}
    )
    with TestClient(Millpond()) as client:
        assert client.request("QUERY", "/model", json={"term": "a"}).json() == ["a", 10, 1]
        assert_miss(client.request("QUERY", "/cached", json=[1]))
        assert_hit(client.request("QUERY", "/cached", json=[1]))
        with pytest.raises(AssertionError, match='not HIT: declares header "x-user"'):
            assert_hit(client.request("QUERY", "/one", json=[1], headers={"x-user": "ann"}))
        with pytest.raises(AssertionError, match="QUERY is live by default"):
            assert_hit(client.request("QUERY", "/model", json={"term": "a"}))


async def test_guards_of_folders_stand_in_front_of_it(project: Project) -> None:
    project.routes(ROUTES)
    project.write(
        {
            "app/router.py": (
                "from fastapi import Depends, HTTPException, Request\n"
                "def guard(request: Request):\n"
                "    if request.headers.get('x-key') != '1': raise HTTPException(401)\n"
                "dependencies = [Depends(guard)]\n"
            )
        }
    )
    async with project.started() as running:
        assert (await query(running, "/model", json={"term": "a"})).status_code == 401
        assert (await query(running, "/model", json={"term": "a"}, headers={"x-key": "1"})).status_code == 200


async def test_an_endpoint_in_code_is_fastapis(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    app = Millpond()

    @app.api_route("/x", methods=["QUERY"])
    def asked(value: list[int]) -> int:
        return sum(value)

    async with app.lifespan(), client_of(app) as client:
        assert (await client.request("QUERY", "/x", json=[1, 2])).json() == 3
