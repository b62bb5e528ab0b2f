"""Why a route is live, asked in a test, is what the build says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI

from millpond import Millpond
from millpond.errors import UsageError
from millpond.testing import AsyncTestClient, TestClient, assert_hit, assert_live, assert_miss

if TYPE_CHECKING:
    from ponds import Project

ROUTES = {
    "/": "revalidate = 60\ndef GET(): return 1\n",
    "/declares": "revalidate = 60\ndef GET(q: str = ''): return q\n",
    "/reads": "from millpond import cookies\nrevalidate = 60\ndef GET():\n    return cookies().get('a')\n",
    "/forced": "dynamic = 'force-dynamic'\ndef GET(): return 1\n",
    "/never": "revalidate = 0\ndef GET(): return 1\n",
    "/default": "def GET(): return 1\n",
    "/posts-only": "def POST(): return 1\n",
    "/refuses": "from fastapi import HTTPException\nrevalidate = 60\ndef GET(): raise HTTPException(403)\n",
    "/items/[id]": "revalidate = 60\ndef GET(id: str): return id\n",
    "/queried": """
        from fastapi import Request
        revalidate = 60
        cache_query = ["q"]
        def GET(request: Request):
            if request.query_params.get("q") == "agent":
                return request.headers["user-agent"]
            return request.query_params.get("q")
        """,
}
LIVE = ["/declares", "/reads", "/forced", "/never", "/default", "/posts-only", "/refuses"]


@pytest.mark.anyio
async def test_the_reason_is_the_build_s(project: Project) -> None:
    project.routes(ROUTES)
    records = await project.built()
    async with AsyncTestClient(Millpond(project.folder / "app")) as client:
        for pattern in LIVE:
            why, record = await client.why_live(pattern), records[pattern]
            assert why is not None, pattern
            assert (why.text, why.place) == (record.why.removesuffix(" at build"), record.reason.place), pattern
        for path in ("/", "/items/7", "/queried?q=oak"):
            assert await client.why_live(path) is None


def test_a_render_that_only_answers_the_question_is_not_stored(project: Project) -> None:
    project.routes(ROUTES)
    client = TestClient(Millpond(project.folder / "app"))
    assert client.why_live("/") is None
    assert_miss(client.get("/"))


def test_the_query_counts_where_it_is_part_of_the_key(project: Project) -> None:
    project.routes(ROUTES)
    with TestClient(Millpond(project.folder / "app")) as client:
        assert client.why_live("/queried?q=oak") is None
        assert str(client.why_live("/queried?q=agent")) == 'request.headers["user-agent"] · app/queried/route.py:7'


def test_what_no_file_route_answers_is_live_or_an_error(project: Project) -> None:
    project.routes(ROUTES)
    app = Millpond(project.folder / "app")

    @app.get("/declared")
    def declared() -> int:
        return 1

    client = TestClient(app)
    assert str(client.why_live("/declared")) == "declared on the application, in no route file"
    for path, message in (
        ("/item", r"^no route answers /item; there is /items/\[id\]"),
        ("/reads/", r"^/reads/ is redirected to /reads: no route runs"),
        ("/items/%zz", r"^/items/%zz is answered 400: no route runs"),
    ):
        with pytest.raises(UsageError, match=message):
            client.why_live(path)
    with pytest.raises(UsageError, match=r"^no Millpond application answers /x"):
        TestClient(FastAPI()).why_live("/x")


def test_what_the_handler_raises_is_raised(project: Project) -> None:
    project.routes({"/": "revalidate = 60\ndef GET(): raise ValueError('no data')\n"})
    with pytest.raises(ValueError, match="no data"):
        TestClient(Millpond(project.folder / "app")).why_live("/")


@pytest.mark.filterwarnings("ignore:The `root_path` parameter")
def test_base_path_root_path_and_mounts_are_part_of_the_path(project: Project) -> None:
    project.routes({"/search": ROUTES["/declares"]})
    project.write({"millpond.toml": 'base_path = "/docs"\n'})
    app = Millpond(project.folder / "app")
    parent = FastAPI()
    parent.mount("/shop", app)
    expected = 'declares query parameter "q" · app/search/route.py:2'
    assert str(TestClient(app).why_live("/docs/search")) == expected
    assert str(TestClient(parent).why_live("/shop/docs/search")) == expected
    assert str(TestClient(app, root_path="/v1").why_live("/v1/docs/search")) == expected
    assert str(TestClient(Millpond(project.folder / "app", root_path="/v1")).why_live("/v1/docs/search")) == expected
    with pytest.raises(UsageError, match=r"^no route answers /search"):
        TestClient(app).why_live("/search")


def test_in_development_everything_is_live(project: Project) -> None:
    project.routes(ROUTES)
    client = TestClient(Millpond(project.folder / "app", development=True))
    assert str(client.why_live("/")) == "in development nothing is cached"


def test_parts_of_the_key_make_nothing_live(project: Project) -> None:
    options = "cache_host = True\nhosts = ['a.example', 'b.example']\ncache_vary = {'header:x-plan': ['free', 'pro']}\n"
    read = "    plan = request.headers['x-plan']\n"
    live = "    return request.headers['user-agent'] if plan > 'free' and request.url.hostname > 'b' else plan\n"
    project.routes({"/x": f"revalidate = 60\n{options}def GET(request):\n{read}{live}"})
    with TestClient(Millpond(project.folder / "app"), base_url="http://b.example") as client:
        assert client.why_live("/x") is None
        assert client.why_live("/x", headers={"host": "b.example"}) is None
        why = client.why_live("/x", headers={"Host": "b.example", "X-Plan": "pro"})
        assert why is not None
        assert why.text == 'request.headers["user-agent"]'
        assert_miss(client.get("/x"))
        assert_hit(client.get("/x"))
        assert_miss(client.get("/x", headers={"host": "a.example"}))
        client.invalidate(paths="/x", host="b.example")
        assert_hit(client.get("/x", headers={"host": "a.example"}))
        assert_miss(client.get("/x"))
        turned = client.get("/x", headers={"x-plan": "pro"})
        assert_live(turned)
        with pytest.raises(AssertionError, match="user-agent"):
            assert_hit(turned)
        assert client.get("/x", headers={"host": "c.example"}).status_code == 421
