"""A path that was matched before is answered as at the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from millpond.serve.matching import match_cache
from ponds import client_of

if TYPE_CHECKING:
    from millpond.serve.matching.match_cache import MatchCache
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

LIVE = 'dynamic = "force-dynamic"\n'
ROUTES = {
    "/live": f"{LIVE}def GET(page: int = 1): return page\ndef POST(): return 'posted'\n",
    "/items/[id]": f"{LIVE}def GET(id: str): return id\n",
    "/files/[...path]": (
        f"{LIVE}from millpond import Request\n"
        "async def GET(request: Request, path: list[str]):\n"
        "    path.append('more')\n    request.path_params['path'].append('more')\n    return path\n"
    ),
    "/picked": 'revalidate = 60\ncache_query = ("size",)\ndef GET(size: str = "0"): return size\n',
}


def matched_of(served: Running) -> MatchCache:
    running = served.pond._runtimes.first
    assert running is not None
    return running.dispatcher.match_cache


async def test_a_repeated_request_is_answered_by_what_it_is(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as served:
        for _ in range(3):
            assert (await served.get("/live?page=2")).json() == 2
            assert (await served.get("/live")).json() == 1
            assert (await served.get("/live?page=x")).status_code == 422
            assert (await served.client.post("/live")).json() == "posted"
            assert (await served.client.put("/live")).status_code == 405
            assert (await served.get("/items/a%2Fb")).json() == "a/b"
            assert (await served.get("/items/b")).json() == "b"
            assert (await served.get("/live/")).status_code == 308
            assert (await served.get("/nothing")).status_code == 404


async def test_bounds_hold_for_a_path_that_is_known(project: Project) -> None:
    project.routes(ROUTES)
    project.config["server"] = {"max_path_bytes": 100, "max_header_bytes": 1000}
    async with project.serving() as served:
        for _ in range(2):
            assert (await served.get("/live")).status_code == 200
            assert (await served.get(f"/live?{'a' * 100}")).status_code == 414
            assert (await served.client.get("/live", headers={"x": "a" * 1000})).status_code == 431


async def test_no_handler_can_change_what_the_next_one_is_given(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as served:
        answers = [(await served.get("/files/a/b")).json() for _ in range(3)]
        assert answers[1:] == answers[:-1]


async def test_each_query_of_a_route_that_is_cached_by_it_is_its_own(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as served:
        for _ in range(2):
            assert (await served.get("/picked?size=1")).json() == "1"
            assert (await served.get("/picked?size=2")).json() == "2"


async def test_a_path_below_a_mount_is_another_one(project: Project) -> None:
    project.routes(ROUTES)
    async with (
        project.serving() as served,
        client_of(Starlette(routes=[Mount("/items", app=served.pond)])) as below,
    ):
        for _ in range(2):
            assert (await below.get("/items/live")).json() == 1
            assert (await served.get("/items/live")).json() == "live"


async def test_no_more_is_remembered_than_memory_is_meant_for(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match_cache, "_MAX_MATCHES", 5)
    monkeypatch.setattr(match_cache, "_MAX_PATH_BYTES", 30)
    project.routes(ROUTES)
    async with project.serving() as served:
        for number in range(20):
            assert (await served.get(f"/items/{number}")).json() == str(number)
            assert (await served.get(f"/items/{'a' * 40}{number}")).json() == f"{'a' * 40}{number}"
        remembered = matched_of(served)._matches
        assert list(remembered) == [b"/items/%d" % number for number in range(15, 20)]
