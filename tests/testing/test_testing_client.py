"""The test client: FastAPI's in everything, with a cache of its own."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Depends, FastAPI, Request, Response, WebSocket
from fastapi.testclient import TestClient as PlainTestClient
from starlette.middleware.cors import CORSMiddleware

from millpond import Millpond, revalidate_tag
from millpond.errors import UsageError
from millpond.internals import client_names
from millpond.internals.private_name import PrivateName
from millpond.routes.imports import import_project_file
from millpond.testing import TestClient, assert_hit, assert_live, assert_miss

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractContextManager

    from ponds import Project

    Opened = Callable[..., AbstractContextManager[TestClient]]

ROUTES = {
    "/": "revalidate = 60\nruns = []\ndef GET():\n    runs.append(1)\n    return len(runs)\n",
    "/posts/[id]": """
        from millpond import cached, revalidate_tag
        revalidate = 60
        calls = []
        @cached(tags=["posts"])
        async def post(id):
            calls.append(id)
            return {"id": id, "call": len(calls)}
        async def GET(id: int): return await post(id)
        async def PUT(id: int): revalidate_tag("posts")
        """,
    "/prices": """
        from typing import Annotated
        from fastapi import Depends
        from prices import prices
        revalidate = 60
        def GET(prices: Annotated[dict, Depends(prices)]): return prices
        """,
    "/own": """
        from millpond import fetch
        revalidate = 60
        async def GET(): return (await fetch("/", cache="force-cache")).json()
        """,
    "/raises": "revalidate = 60\ndef GET(): raise ValueError('no data')\n",
    "/live": """
        from fastapi import Request
        def GET(request: Request): return {"agent": request.headers["user-agent"], "cookies": request.cookies}
        """,
    "/streams": """
        from millpond import StreamingResponse
        def GET(): return StreamingResponse(iter([b"one\\n", b"two\\n"]))
        """,
    "/endless": """
        import itertools
        from millpond import StreamingResponse
        def GET(): return StreamingResponse(b"%d\\n" % n for n in itertools.count())
        """,
}


@pytest.fixture
def shop(project: Project) -> Millpond:
    project.write({"prices.py": "def prices(): return {'oak': 129}\n"})
    project.routes(ROUTES)
    return Millpond(project.folder / "app")


@pytest.fixture(params=["with", "without"])
def opened(request: pytest.FixtureRequest) -> Opened:
    """Makes a client, with or without a lifespan."""
    if request.param == "with":
        return lambda app, **options: TestClient(app, **options)
    return lambda app, **options: nullcontext(TestClient(app, **options))


def module(shop: Millpond, pattern: str) -> Any:
    return next(route.module.module for route in shop.file_routes if route.pattern == pattern)


def test_each_client_begins_with_an_empty_cache(shop: Millpond, opened: Opened) -> None:
    for _ in range(3):
        with opened(shop) as client:
            assert_miss(client.get("/"))
            assert_hit(client.get("/"))
            calls = len(module(shop, "/posts/[id]").calls)
            assert client.get("/posts/1").json() == client.get("/posts/1").json() == {"id": 1, "call": calls + 1}


def test_a_client_that_is_entered_again_begins_with_an_empty_cache(shop: Millpond) -> None:
    client = TestClient(shop)
    for number in (1, 2):
        with client:
            assert_miss(client.get("/posts/1"))
            assert client.get("/posts/1").json() == {"id": 1, "call": number}


def test_what_a_handler_fetches_of_its_own_application_is_in_the_same_cache(shop: Millpond, opened: Opened) -> None:
    with opened(shop) as client:
        assert_miss(client.get("/own"))
        assert_hit(client.get("/"))


def test_two_clients_of_one_application_share_nothing(shop: Millpond, opened: Opened) -> None:
    with opened(shop) as one, opened(shop) as two:
        for client in (one, two):
            assert_miss(client.get("/"))
        one.invalidate(paths="/")
        assert_hit(two.get("/"))
        two.clock.move(3600)
        assert_miss(one.get("/"))
        assert_hit(one.get("/"))


def test_another_visitor_shares_the_cache_and_has_cookies_of_its_own(shop: Millpond, opened: Opened) -> None:
    with opened(shop) as ann:
        ben = ann.visitor(cookies={"user": "ben"}, headers={"user-agent": "Ben's"})
        ann.cookies.set("user", "ann")
        assert_miss(ann.get("/"))
        assert_hit(ben.get("/"))
        assert ann.get("/live").json() == {"agent": "testclient", "cookies": {"user": "ann"}}
        assert ben.get("/live").json() == {"agent": "Ben's", "cookies": {"user": "ben"}}
        ben.clock.move(30)
        assert ann.clock.now == ben.clock.now


def test_without_starlettes_portal_visitors_have_loops_of_their_own_and_the_same_cache(
    shop: Millpond, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_names, "PORTAL", PrivateName("starlette.testclient", "TestClient.gone", "other loops"))
    with TestClient(shop) as ann:
        ben = ann.visitor()
        assert ben.portal is None
        assert_miss(ben.get("/"))
        assert_hit(ann.get("/"))
        assert_hit(ben.get("/"))


def test_what_is_cleared_is_answered_as_a_new_client_s_first_request(shop: Millpond, opened: Opened) -> None:
    with opened(shop) as client:
        client.clock.move(5)
        now = client.clock.now
        for _ in range(2):
            before = len(module(shop, "/posts/[id]").calls)
            assert_miss(client.get("/posts/1"))
            assert len(module(shop, "/posts/[id]").calls) == before + 1
            assert_hit(client.get("/posts/1"))
            client.clear()
        assert client.clock.now == now


def test_tags_and_paths_are_invalidated(shop: Millpond, opened: Opened) -> None:
    with opened(shop) as client:
        client.invalidate("posts")
        for path in ("/posts/1", "/posts/2", "/"):
            assert_miss(client.get(path))
        client.invalidate("posts")
        assert_hit(client.get("/"))
        assert_miss(client.get("/posts/1"))
        client.invalidate(paths=["/", "/posts/1"])
        assert_miss(client.get("/"))
        assert_miss(client.get("/posts/1"))
        client.invalidate(paths="/posts/[id]")
        assert_miss(client.get("/posts/2"))
        client.invalidate(paths="/", type="layout")
        assert_miss(client.get("/posts/2"))
        client.invalidate("posts", profile="max")
        assert client.get("/posts/2").headers["x-nextjs-cache"] == "STALE"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r'give tags, or paths: invalidate\("posts"\), invalidate\(paths=\["/posts/1"\]\)'),
        ({"paths": "posts"}, 'has no leading slash; write "/posts"'),
        ({"paths": "/", "type": "pages"}, "type is 'pages'"),
    ],
)
def test_an_invalidation_that_does_nothing_is_an_error(shop: Millpond, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TestClient(shop).invalidate(**options)


def test_functions_that_a_test_calls_itself_work_on_the_client_s_cache(shop: Millpond, opened: Opened) -> None:
    with opened(shop) as left_open, opened(shop) as client:
        assert_miss(left_open.get("/posts/1"))
        assert_miss(client.get("/posts/1"))
        revalidate_tag("posts")
        assert_miss(client.get("/posts/1"))
        assert_hit(left_open.get("/posts/1"))
        revalidate_tag("posts")
        assert_miss(left_open.get("/posts/1"))
        assert_hit(client.get("/posts/1"))


def test_without_a_request_there_is_no_cache_of_a_former_client(shop: Millpond) -> None:
    TestClient(shop).get("/")
    TestClient(shop)
    with pytest.raises(UsageError, match="no application runs in this process"):
        revalidate_tag("posts")


def test_overridden_dependencies_reach_renders(shop: Millpond, opened: Opened, project: Project) -> None:
    prices = import_project_file(project.folder / "prices.py", project.folder).prices
    shop.dependency_overrides[prices] = lambda: {"oak": 1}
    with opened(shop) as client:
        for _ in range(2):
            assert client.get("/prices").json() == {"oak": 1}
        shop.dependency_overrides.clear()
        assert assert_hit(client.get("/prices")).json() == {"oak": 1}
        client.clear()
        assert assert_miss(client.get("/prices")).json() == {"oak": 129}


def test_what_a_handler_raises_is_raised_in_the_test_or_is_a_500(shop: Millpond, opened: Opened) -> None:
    with opened(shop) as client, pytest.raises(ValueError, match="no data"):
        client.get("/raises")
    with opened(shop, raise_server_exceptions=False) as client:
        assert client.get("/raises").status_code == 500


def test_streams_are_streamed_and_may_be_left(shop: Millpond, opened: Opened) -> None:
    with opened(shop) as client:
        assert client.get("/streams").text == "one\ntwo\n"
        with client.stream("GET", "/streams") as response:
            assert list(response.iter_lines()) == ["one", "two"]
        with client.stream("GET", "/endless") as response:
            lines = response.iter_lines()
            assert [next(lines) for _ in range(3)] == ["0", "1", "2"]
        assert_miss(client.get("/"))


def test_lifespan_and_state_are_those_of_the_client(project: Project) -> None:
    reads = "from fastapi import Request\ndef GET(request: Request): return request.state.name\n"
    project.routes({"/": f"revalidate = 60\n{reads}", "/live": reads})
    names = iter(["one", "two"])
    ended = []

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        name = next(names)
        yield {"name": name}
        ended.append(name)

    app = Millpond(project.folder / "app", lifespan=life)

    @app.get("/declared")
    def declared(request: Request) -> str:
        return str(request.state.name)

    with TestClient(app) as one:
        with TestClient(app) as two:
            assert two.get("/").json() == "two"
        assert ended == ["two"]
        for path in ("/", "/live", "/declared"):
            assert one.get(path).json() == one.visitor().get(path).json() == "one"
    assert ended == ["two", "one"]


def test_websockets_cookies_and_redirects_work(shop: Millpond, opened: Opened) -> None:
    @shop.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    @shop.get("/count")
    def count(request: Request, response: Response) -> int:
        number = int(request.cookies.get("count", 0)) + 1
        response.set_cookie("count", str(number))
        return number

    with opened(shop) as client:
        with client.websocket_connect("/echo") as websocket:
            websocket.send_text("hello")
            assert websocket.receive_text() == "hello"
        assert [client.get("/count").json() for _ in range(2)] == [1, 2]
        assert client.visitor().get("/count").json() == 1
        assert assert_live(client.get("/live/")).history[0].status_code == 308
        assert_live(client.get("/live"))
        assert client.get("/live/", follow_redirects=False).status_code == 308


def test_an_application_that_wraps_or_mounts_a_millpond_is_tested_as_well(shop: Millpond, opened: Opened) -> None:
    parent = FastAPI()
    parent.mount("/shop", shop)
    for app, prefix in ((parent, "/shop"), (CORSMiddleware(shop, allow_origins=["*"]), "")):
        with opened(app) as client:
            assert_miss(client.get(f"{prefix}/posts/1", headers={"origin": "https://other.example"}))
            client.invalidate("posts")
            assert_miss(client.get(f"{prefix}/posts/1"))
            assert str(client.why_live(f"{prefix}/live")) == "GET is live by default (compat 16)"
            assert client.why_live(f"{prefix}/") is None
            client.clear()
            assert_miss(client.get(f"{prefix}/posts/1"))


def test_a_mounted_millpond_that_its_parent_starts_shares_the_client_s_cache(project: Project) -> None:
    project.routes(
        {"/": "revalidate = 60\nfrom fastapi import Request\ndef GET(request: Request): return request.state.name\n"}
    )

    @asynccontextmanager
    async def inner(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        yield {"name": "inner"}

    shop = Millpond(project.folder / "app", lifespan=inner)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with shop.lifespan():
            yield

    parent = FastAPI(lifespan=life)
    parent.mount("/shop", shop)
    for _ in range(2):
        with TestClient(parent) as client:
            assert assert_miss(client.get("/shop/")).json() == "inner"
            assert assert_hit(client.get("/shop/")).json() == "inner"
            client.invalidate(paths="/")
            assert_miss(client.get("/shop/"))


def test_when_a_client_has_ended_functions_that_the_test_calls_have_no_cache(shop: Millpond) -> None:
    parent = FastAPI()
    parent.mount("/shop", shop)
    for app, path in ((shop, "/"), (parent, "/shop/")):
        with TestClient(app) as client:
            client.get(path)
            revalidate_tag("posts")
        with pytest.raises(UsageError, match="no application runs in this process"):
            revalidate_tag("posts")
    client = TestClient(shop)
    client.get("/")
    client.close()
    with pytest.raises(UsageError, match="no application runs in this process"):
        revalidate_tag("posts")


def test_each_application_of_a_factory_has_its_own_overrides_and_routes(project: Project, opened: Opened) -> None:
    project.write({"prices.py": "def prices(): return {'oak': 129}\n"})
    project.routes(ROUTES)

    def guard(request: Request) -> None:
        guarded.append(request.url.path)

    guarded: list[str] = []

    def create_app() -> Millpond:
        return Millpond(project.folder / "app", dependencies=[Depends(guard)])

    prices = import_project_file(project.folder / "prices.py", project.folder).prices
    apps = [create_app() for _ in range(2)]
    apps[0].dependency_overrides[prices] = lambda: {"oak": 0}
    for app, found in zip(apps, (0, 129), strict=True):
        with opened(app) as client:
            assert client.get("/prices").json() == {"oak": found}
    assert guarded == ["/prices"] * 2


def test_threads_may_share_a_client(shop: Millpond) -> None:
    with TestClient(shop) as client:
        answers: list[int] = []
        threads = [threading.Thread(target=lambda: answers.append(client.get("/").json())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [1] * 8


def test_the_application_itself_stays_as_it_was(shop: Millpond) -> None:
    with PlainTestClient(shop) as plain, TestClient(shop) as client:
        client.clock.move(1_000_000)
        assert_miss(client.get("/"))
        assert client.app.dependency_overrides is shop.dependency_overrides  # type: ignore[attr-defined]
        client.app.dependency_overrides = {dict: list}  # type: ignore[attr-defined]
        assert shop.dependency_overrides == {dict: list}
        client.app.dependency_overrides = {}  # type: ignore[attr-defined]
        assert_miss(plain.get("/"))
        assert abs(shop._clock() - client.clock.now) > 900_000
        client.invalidate(paths="/")
        assert_hit(plain.get("/"))
        assert shop.isolated is None
