"""Invalidations of endpoints' answers, by tag and by path, in FastAPI's spelling and in that of folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Depends

from declared_in_code import pond_of, serving
from millpond import (
    Millpond,
    UsageError,
    cached,
    response_life,
    response_tags,
    revalidate_path,
    revalidate_tag,
    static,
)
from millpond.testing import TestClient, assert_hit, assert_live, assert_miss
from ponds import cache_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = [pytest.mark.anyio, pytest.mark.private_names]

SOURCE = """
    from enum import Enum
    class Size(str, Enum):
        small = "small"

    @app.get("/items/{id}")
    @static(tags=["items"])
    def item(id: int):
        return id

    @app.get("/ints/{id:int}/{size}")
    @static()
    def ints(id: int, size: Size):
        return id

    @app.get("/files/{path:path}")
    @static()
    def files(path: str):
        return path

    inner = APIRouter(prefix="/{tenant}")
    @inner.get("/{a}-{b}.json")
    @static()
    def both(tenant: str, a: str, b: str):
        return [tenant, a, b]
    app.include_router(inner, prefix="/in")

    @app.get("/live")
    @static()
    def live(a: str | None = Header(None)):
        return a
"""
PATHS = [
    *("/items/5", "/items/05", "/ints/5/small", "/ints/05/small", "/files/a/b", "/files/a/", "/files/a"),
    *("/in/acme/1-2.json", "/in/b%20c/1-2.json"),
]


@pytest.mark.parametrize(
    ("given", "affected"),
    [
        (("/items/{id}",), ["/items/5", "/items/05"]),
        (("/items/{id:int}", "page"), ["/items/5", "/items/05"]),
        (("/items/[id]", "route"), ["/items/5", "/items/05"]),
        (("/items/5",), ["/items/5", "/items/05"]),
        (("/items/05",), ["/items/05"]),
        (("/items/5/", "page"), ["/items/5", "/items/05"]),
        (("/items", "layout"), ["/items/5", "/items/05"]),
        (("/items/{id}", "layout"), ["/items/5", "/items/05"]),
        (("/ints/{id}/{size}",), ["/ints/5/small", "/ints/05/small"]),
        (("/ints/5/small",), ["/ints/5/small", "/ints/05/small"]),
        (("/files/{path:path}",), ["/files/a/b", "/files/a/", "/files/a"]),
        (("/files/{path}",), ["/files/a/b", "/files/a/", "/files/a"]),
        (("/files/[...path]",), ["/files/a/b", "/files/a/", "/files/a"]),
        (("/files/a",), ["/files/a/", "/files/a"]),
        (("/in/{tenant}/{a}-{b}.json",), ["/in/acme/1-2.json", "/in/b%20c/1-2.json"]),
        (("/in/[tenant]/[a]-[b].json",), ["/in/acme/1-2.json", "/in/b%20c/1-2.json"]),
        (("/in/b c/1-2.json",), ["/in/b%20c/1-2.json"]),
        (("/in/b%20c/1-2.json",), ["/in/b%20c/1-2.json"]),
        (("/", "layout"), PATHS),
        (("/items",), []),
        (("/{id}",), []),
    ],
)
async def test_a_path_or_pattern_invalidates_the_answers_that_it_names(
    project: Project, given: tuple[Any, ...], affected: list[str]
) -> None:
    async with serving(project, SOURCE) as (running, _):
        for _ in range(2):
            for path in PATHS:
                await running.get(path)
        revalidate_path(*given)
        decisions = {path: await running.cache(path) for path in PATHS}
        assert {path for path, decision in decisions.items() if decision == "MISS"} == set(affected)
        assert set(decisions.values()) <= {"HIT", "MISS"}


async def test_a_tag_invalidates_all_answers_of_an_endpoint(project: Project) -> None:
    async with serving(project, SOURCE) as (running, _):
        for _ in range(2):
            await running.get("/items/1")
            await running.get("/files/a")
        revalidate_tag("items")
        assert (await running.cache("/items/1"), await running.cache("/files/a")) == ("MISS", "HIT")
        assert [await running.cache("/items/1") for _ in range(2)] == ["HIT", "HIT"]


async def test_a_fresh_answer_is_rendered_again_in_the_background(project: Project) -> None:
    source = """
        @app.get("/x/{n}")
        @static(revalidate=60)
        def x(n: int):
            runs.append(n)
            return len(runs)
    """
    async with serving(project, source) as (running, _):
        assert [cache_of(await running.get("/x/1")) for _ in range(2)] == ["MISS", "HIT"]
        project.clock.move(61)
        stale = await running.get("/x/1")
        assert (stale.json(), cache_of(stale)) == (1, "STALE")
        await running.settle()
        again = await running.get("/x/1")
        assert (again.json(), cache_of(again)) == (2, "HIT")


def test_the_kit_for_tests_knows_endpoints(project: Project) -> None:
    pond, _ = pond_of(project, SOURCE)
    with TestClient(pond) as client:
        assert_miss(client.get("/items/1"))
        assert_hit(client.get("/items/1"))
        client.invalidate(paths=["/items/{id}"])
        assert_miss(client.get("/items/1"))
        assert_live(client.get("/live"))
        assert client.why_live("/items/1") is None
        why = client.why_live("/live")
        assert why is not None
        assert why.text == 'declares header "a"'
        with pytest.raises(AssertionError, match='declares header "a"'):
            assert_hit(client.get("/live"))


def test_a_dependency_that_says_tags_may_be_shared_with_endpoints_that_are_not_kept() -> None:
    app = Millpond()

    def post(number: int) -> int:
        response_tags("posts", f"post:{number}")
        response_life(revalidate=60)
        return number

    @app.get("/posts/{number}")
    @static
    def read(post: int = Depends(post)) -> int:
        return post

    @app.put("/posts/{number}")
    def write(post: int = Depends(post)) -> int:
        revalidate_tag(f"post:{post}")
        return post

    @app.get("/drafts/{number}")
    async def draft(number: int) -> int:
        return post(number)

    @cached
    def total() -> int:
        response_tags("posts")
        return 1

    @app.get("/total")
    def refused() -> int:
        return total()

    with TestClient(app) as client:
        states = [client.get("/posts/1").headers["x-nextjs-cache"] for _ in range(2)]
        assert client.put("/posts/1").json() == client.get("/drafts/1").json() == 1
        states.append(client.get("/posts/1").headers["x-nextjs-cache"])
        assert states == ["MISS", "HIT", "MISS"]
        with pytest.raises(UsageError, match="is about the answer of a GET, and a cached function runs here"):
            client.get("/total")
    with pytest.raises(UsageError, match="none does here"):
        post(1)
