"""Middleware that rewrites the path of a request decides which answer it gets, and nobody gets another one's."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi import FastAPI
from rewriting import WAYS, Copying, InPlace, Wrap, by_prefix

from millpond import Millpond, revalidate_path, static
from millpond.serve.matching.matcher import Matcher
from ponds import cache_of, client_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from ponds import Project

pytestmark = pytest.mark.anyio

PAGES = """
from millpond import Request

revalidate = 60

async def GET(request: Request, rest: list[str] | None = None):
    return {"page": rest, "path": request.url.path, "params": request.path_params}
"""
ROUTES = {
    "/[[...rest]]": PAGES + "def generate_static_params(): return []\n",
    "/t/live": "dynamic = 'force-dynamic'\ndef GET(): return 'live'\ndef POST(): return 'posted'\n",
    "/closed/[id]": (
        "revalidate = 60\ndynamic_params = False\ndef generate_static_params(): return [{'id': 'a'}]\n"
        "def GET(id: str): return id\n"
    ),
}


async def get(app: Any, host: str, path: str, method: str = "GET", **headers: str) -> httpx2.Response:
    async with client_of(app) as client:
        url = httpx2.URL(f"http://{host}.example").copy_with(raw_path=path.encode())
        return await client.request(method, url, headers=headers)


async def page(app: Any, host: str, path: str) -> list[str]:
    answer = await get(app, host, path)
    assert answer.status_code == 200, (host, path, answer.status_code, answer.headers.get("location"))
    found: list[str] = answer.json()["page"]
    return found


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Wrap:
    return WAYS[request.param]


async def test_each_tenant_gets_its_own_page_at_one_path(project: Project, way: Wrap) -> None:
    project.routes(ROUTES)
    async with project.started() as served:
        app = way(served.pond, by_prefix)
        for expected in ("MISS", "HIT", "HIT"):
            for tenant in ("t1", "t2"):
                answer = await get(app, tenant, "/a")
                assert answer.json() == {
                    "page": [tenant, "a"],
                    "path": f"/{tenant}/a",
                    "params": {"rest": [tenant, "a"]},
                }
                assert cache_of(answer) == expected
            assert await page(app, "www", "/a") == ["a"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a%2Fb", ["a/b"]),
        ("/a%2fb", ["a/b"]),
        ("/a%20b", ["a b"]),
        ("/a+b", ["a+b"]),
        ("/%E4%BD%A0", ["你"]),
        ("/100%25", ["100%"]),
        ("/%61", ["a"]),
        ("/", []),
    ],
)
async def test_what_is_the_clients_keeps_its_segments(
    project: Project, way: Wrap, path: str, expected: list[str]
) -> None:
    project.routes(ROUTES)
    async with project.started() as served:
        app = way(served.pond, by_prefix)
        for _ in range(3):
            assert await page(app, "t1", path) == ["t1", *expected]
            assert await page(app, "t2", path) == ["t2", *expected]


async def test_a_redirect_for_slashes_names_the_clients_path(project: Project, way: Wrap) -> None:
    project.routes(ROUTES)
    async with project.started() as served:
        app = way(served.pond, by_prefix)
        for _ in range(2):
            answer = await get(app, "t1", "/a/?x=1")
            assert (answer.status_code, answer.headers["location"]) == (308, "/a?x=1")
            answer = await get(app, "t1", "/x/%2e%2e/a")
            assert (answer.status_code, answer.headers["location"]) == (308, "/a")
            assert await page(app, "t1", "/a") == ["t1", "a"]
            assert await page(app, "t1", "/") == ["t1"]  # that is "/t1/" inside


async def test_slashes_that_middleware_has_made_right_or_wrong_redirect_nobody(project: Project, way: Wrap) -> None:
    project.routes(ROUTES)
    for trailing_slash in (False, True):
        async with project.started(trailing_slash=trailing_slash) as served:
            app = way(served.pond, lambda label, path: path.rstrip("/") if label == "strip" else f"{path.rstrip('/')}/")
            for sent in ("/a", "/a/") if not trailing_slash else ("/a/",):
                if sent == "/a/" and not trailing_slash:
                    assert await page(app, "strip", sent) == ["a"]
                else:
                    assert await page(app, "add", sent) == ["a"]


async def test_dot_segments_from_a_rewrite_lead_nowhere(project: Project, way: Wrap) -> None:
    project.routes(ROUTES)
    async with project.started() as served:
        app = way(served.pond, lambda label, path: f"/t1/../t2{path}" if label == "evil" else by_prefix(label, path))
        for _ in range(2):
            assert (await get(app, "evil", "/secret")).status_code == 404
            answer = await get(app, "t1", "/%2e%2e/t2/secret")
            assert (answer.status_code, answer.headers["location"]) == (308, "/t2/secret")
            answer = await get(app, "t1", "/..%2ft2")
            assert answer.json()["page"] == ["t1", "../t2"]


async def test_what_is_malformed_stays_malformed(project: Project, way: Wrap) -> None:
    project.routes(ROUTES)
    async with project.started() as served:
        app = way(served.pond, lambda label, path: "/\ud800" if label == "lone" else by_prefix(label, path))
        for path in ("/%ff", "/a%ff/b"):
            assert (await get(app, "t1", path)).status_code == 400
        if way is not WAYS["both spellings"]:  # which can't write that
            assert (await get(app, "lone", "/a")).status_code == 400


async def test_a_rewrite_to_nothing_is_not_found(project: Project, way: Wrap) -> None:
    project.routes({"/a": "revalidate = 60\ndef GET(): return 'a'\n"})
    async with project.started() as served:
        app = way(served.pond, lambda label, path: {"none": "/none", "bare": "a", "star": "*"}.get(label, path))
        assert (await get(app, "www", "/a")).json() == "a"
        for _ in range(2):
            assert [(await get(app, label, "/a")).status_code for label in ("none", "bare", "star")] == [404] * 3
            assert (await get(app, "www", "/a")).json() == "a"


async def test_closed_routes_live_routes_and_methods_follow(project: Project, way: Wrap) -> None:
    project.routes(ROUTES)
    project.write({"public/t/logo.txt": "logo"})
    async with project.started() as served:
        app = way(served.pond, lambda label, path: f"/{label}{path}")
        for _ in range(3):
            assert (await get(app, "closed", "/a")).json() == "a"
            assert (await get(app, "t", "/live")).json() == "live"
            assert (await get(app, "t", "/live", "POST")).json() == "posted"
            answer = await get(app, "t", "/live", "PUT")
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
            assert (await get(app, "t", "/logo.txt")).text == "logo"
            head = await get(app, "closed", "/a", "HEAD")
            assert (head.status_code, head.content) == (200, b"")


async def test_hits_take_the_short_way(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.routes(ROUTES)
    for way in ("in place", "a copy", "@app.middleware", "both spellings"):
        async with project.started() as served:
            app = WAYS[way](served.pond, by_prefix)
            for _ in range(2):
                await page(app, "t1", "/a%2Fb")
                await page(app, "t2", "/a%2Fb")
            with monkeypatch.context() as patch:
                patch.delattr(Matcher, "match")
                assert await page(app, "t1", "/a%2Fb") == ["t1", "a/b"]
                assert await page(app, "t2", "/a%2Fb") == ["t2", "a/b"]


async def test_an_invalidation_means_the_rewritten_path(project: Project, way: Wrap) -> None:
    project.routes(ROUTES)
    async with project.started() as served:
        app = way(served.pond, by_prefix)
        for tenant in ("t1", "t2"):
            await page(app, tenant, "/a%20b")
        revalidate_path("/t1/a b")
        assert cache_of(await get(app, "t2", "/a%20b")) == "HIT"
        assert cache_of(await get(app, "t1", "/a%20b")) == "MISS"
        revalidate_path("/a b")
        assert cache_of(await get(app, "t1", "/a%20b")) == "HIT"


async def test_base_path_is_entered_by_a_rewrite(project: Project, way: Wrap) -> None:
    project.routes(ROUTES)
    async with project.started(base_path="/shop") as served:
        app = way(served.pond, lambda label, path: f"/shop/{label}{path}" if label != "www" else path)
        for _ in range(3):
            assert await page(app, "t1", "/a") == ["t1", "a"]
            assert await page(app, "t2", "/a") == ["t2", "a"]
            assert await page(app, "www", "/shop/a") == ["a"]
            assert (await get(app, "www", "/a")).status_code == 404
        answer = await get(app, "t1", "/a/")
        assert answer.status_code == 308
        assert answer.headers["location"] == ("/shop/a" if way is WAYS["around the application"] else "/a")


async def test_a_mount_is_followed_as_starlette_does(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started() as served:
        outer = FastAPI()
        outer.mount("/m", served.pond)
        app = InPlace(outer, lambda label, path: f"/m/{label}{path}" if label != "www" else path)
        for _ in range(3):
            assert await page(app, "t1", "/a%2Fb") == ["t1", "a/b"]
            assert await page(app, "t2", "/a%2Fb") == ["t2", "a/b"]
            assert await page(app, "www", "/m/a") == ["a"]
        assert (await get(app, "t1", "/a/")).headers["location"] == "/a"
        assert (await get(app, "www", "/m/a/")).headers["location"] == "/m/a"
        inner = FastAPI()
        inner.mount("/m", InPlace(served.pond, lambda label, path: path.removeprefix("/m") if label == "out" else path))
        assert await page(inner, "out", "/m/x") == ["x"]  # as a path without `root_path` in front


async def test_a_parents_rewrite_is_known_behind_middleware_of_ones_own(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started() as served:
        served.pond.add_middleware(InPlace, rewrite=lambda label, path: path)
        outer = FastAPI()
        outer.mount("/m", served.pond)
        app = InPlace(outer, lambda label, path: f"/m/{label}{path}" if label != "www" else path)
        for _ in range(2):
            assert await page(app, "t1", "/") == ["t1"]
            assert (await get(app, "t1", "/a/")).headers["location"] == "/a"
            assert (await get(app, "www", "/m/a/")).headers["location"] == "/m/a"


async def test_endpoints_with_static_follow(project: Project, monkeypatch: pytest.MonkeyPatch, way: Wrap) -> None:
    monkeypatch.chdir(project.folder)
    app = Millpond()

    @app.get("/t/{tenant}/{page:path}")
    @static(revalidate=60)
    def shown(tenant: str, page: str) -> list[str]:
        return [tenant, page]

    async with app.lifespan():
        asked = way(app, lambda label, path: f"/t/{label}{path}")
        for expected in ("MISS", "HIT", "HIT"):
            for tenant in ("a", "b"):
                answer = await get(asked, tenant, "/x%20y/z")
                assert (answer.json(), cache_of(answer)) == ([tenant, "x y/z"], expected)


async def test_middleware_of_renders_changes_no_match(project: Project) -> None:
    project.routes(ROUTES)
    pond = project.pond()
    pond.add_render_middleware(Copying, rewrite=lambda label, path: "/t9/a")
    async with pond.lifespan():
        for _ in range(2):
            assert await page(pond, "t1", "/a") == ["a"]


async def test_other_parts_of_a_request_that_middleware_rewrites_count(project: Project) -> None:
    project.routes(
        {
            "/a": (
                "revalidate = 60\ncache_query = ('q',)\ndef GET(q: str = '-'): return q\n"
                "def DELETE(): return 'deleted'\n"
            )
        }
    )

    class Overrides(InPlace):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            told = dict(scope["headers"])
            scope = {**scope, "method": told.get(b"x-method", scope["method"].encode()).decode()}
            scope["query_string"] = told.get(b"x-query", scope["query_string"])
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"if-none-match"]
            await self.app(scope, receive, send)

    async with project.started() as served:
        served.pond.add_middleware(Overrides)
        etag = ""
        for _ in range(3):
            assert (await get(served.pond, "x", "/a", **{"x-query": "q=1"})).json() == "1"
            assert (await get(served.pond, "x", "/a?q=1", **{"x-query": "q=2"})).json() == "2"
            answer = await get(served.pond, "x", "/a", **{"if-none-match": etag or '"none"'})
            assert (answer.status_code, answer.json()) == (200, "-")
            etag = answer.headers["etag"]
            assert (await get(served.pond, "x", "/a", "POST", **{"x-method": "DELETE"})).json() == "deleted"
            assert (await get(served.pond, "x", "/a", "GET", **{"x-method": "DELETE"})).json() == "deleted"
            assert (await get(served.pond, "x", "/a", "DELETE", **{"x-method": "GET"})).json() == "-"


async def test_the_log_shows_what_the_client_has_asked(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.routes(ROUTES)
    caplog.set_level(logging.INFO, "millpond.access")
    async with project.started() as served:
        app = WAYS["in place"](served.pond, by_prefix)
        for _ in range(2):
            await page(app, "t1", "/a")
    lines = [record.getMessage() for record in caplog.records if record.name == "millpond.access"]
    assert len(lines) == 2
    assert all("/a" in line and "/t1/a" not in line for line in lines), lines


async def test_no_tenant_gets_anothers_answer_whatever_is_sent(project: Project) -> None:
    """Paths of hostile pieces, in random order, cold and warm."""
    project.routes(ROUTES)
    pieces = [
        "a",
        "b",
        "%2F",
        "%2f",
        "/",
        "//",
        "..",
        "%2e%2e",
        ".",
        "t1",
        "t2",
        "%74%31",
        "+",
        "%20",
        "%25",
        "%ff",
        ";",
        ":",
    ]
    chance = random.Random(20)
    ways = ["in place", "both spellings", "a copy", "around the application"]
    for way in ways:
        async with project.started() as served:
            app = WAYS[way](served.pond, by_prefix)
            paths = ["/" + "".join(chance.choices(pieces, k=chance.randint(1, 5))) for _ in range(60)]
            for path in [*paths, *reversed(paths)]:
                tenants = ["t1", "t2"]
                chance.shuffle(tenants)
                for tenant in tenants:
                    answer = await get(app, tenant, path)
                    if answer.status_code == 200:
                        assert answer.json()["page"][0] == tenant, path
                    else:
                        assert answer.status_code in (308, 400, 404), path
