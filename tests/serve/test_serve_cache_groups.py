"""RFC 9875: an unsafe request's answer names the groups that it has invalidated, as answers name theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import http_sf
import pytest

from declared_in_code import declare
from ponds import Running, client_of

if TYPE_CHECKING:
    import httpx2

    from ponds import Project

pytestmark = pytest.mark.anyio

GROUPS: dict[str, Any] = {"cdn": {"headers": ["cache-groups"]}}
ROUTES = {
    "/items/[id]": """
        from millpond import response_tags
        revalidate = 60
        def generate_static_params(): return []
        def GET(id: str):
            response_tags("items", f"item {id}")
            return id
    """,
    "/change": """
        from fastapi import HTTPException
        from millpond import (
            JSONResponse, StreamingResponse, after, redirect, revalidate_path, revalidate_tag, update_tag
        )
        dynamic = "force-dynamic"
        def GET(tag: str): return revalidate_tag(tag)
        async def POST(tag: str): return revalidate_tag(tag, "max")
        def PUT(tag: str):
            update_tag("items")
            update_tag(tag)
            redirect("/items/1")
        async def PATCH(path: str): return revalidate_path(path)
        async def DELETE(tag: str, how: str):
            if how == "after":
                after(revalidate_tag, tag)
                return None
            if how == "stream":
                async def body():
                    yield b"begun"
                    revalidate_tag(tag)
                return StreamingResponse(body())
            revalidate_tag(tag)
            if how == "refused": raise HTTPException(409)
            if how == "failed": raise RuntimeError
            if how == "own": return JSONResponse({}, headers={"Cache-Group-Invalidation": '"mine"'})
            if how == "many":
                for number in range(500): revalidate_tag(f"tag-{number}")
            return None
    """,
}
MAIN = """
    from millpond import revalidate_tag

    @app.post("/plain")
    def change(tag: str):
        revalidate_tag(tag)
        return {}

    @app.post("/plain-async")
    async def change_async(tag: str):
        revalidate_tag(tag)
        raise HTTPException(409)

    @app.get("/safe")
    def safe(tag: str):
        revalidate_tag(tag)
        return {}
"""


def groups(answer: httpx2.Response, name: str = "cache-group-invalidation") -> set[str]:
    value = answer.headers.get(name)
    if value is None:
        return set()
    members = http_sf.parse(value.encode("ascii"), tltype="list")
    assert isinstance(members, list)
    found = [member[0] if isinstance(member, tuple) else member for member in members]
    assert all(isinstance(each, str) and len(each) <= 32 for each in found)
    return {str(each) for each in found}


async def asked(pond: Running, method: str, query: str) -> httpx2.Response:
    return await pond.client.request(method, f"/change?{query}")


async def test_an_invalidation_names_a_group_of_the_answers_that_it_reaches(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving(**GROUPS) as pond:
        first = groups(await pond.get("/items/1"), "cache-groups")
        second = groups(await pond.get("/items/2"), "cache-groups")
        assert "items" in first & second
        for method, query in (("POST", "tag=item%201"), ("PATCH", "path=/items/1"), ("DELETE", "tag=item%201&how=x")):
            named = groups(await asked(pond, method, query))
            assert (bool(named & first), named & second) == (True, set()), method
        answer = await asked(pond, "PUT", "tag=other")
        assert answer.is_redirect
        assert groups(answer) == {"items", "other"}
        assert groups(await asked(pond, "POST", "tag=items")) <= first & second


async def test_a_long_path_is_a_group_too(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving(**GROUPS) as pond:
        path = f"/items/{'7' * 200}"
        assert groups(await asked(pond, "PATCH", f"path={path}")) & groups(await pond.get(path), "cache-groups")


@pytest.mark.parametrize(("how", "status"), [("refused", 409), ("failed", 500)])
async def test_what_was_invalidated_is_said_also_by_an_error(project: Project, how: str, status: int) -> None:
    project.routes(ROUTES)
    async with project.serving(**GROUPS) as pond:
        answer = await asked(pond, "DELETE", f"tag=a&how={how}")
        assert (answer.status_code, groups(answer)) == (status, {"a"})


@pytest.mark.parametrize("how", ["after", "stream"])
async def test_what_follows_the_head_is_not_said(project: Project, how: str) -> None:
    project.routes(ROUTES)
    async with project.serving(**GROUPS) as pond:
        assert groups(await asked(pond, "DELETE", f"tag=a&how={how}")) == set()


async def test_a_safe_method_says_nothing(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving(**GROUPS) as pond:
        for method in ("GET", "HEAD"):
            assert "cache-group-invalidation" not in (await asked(pond, method, "tag=a")).headers


async def test_the_header_of_the_handler_wins(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving(**GROUPS) as pond:
        assert groups(await asked(pond, "DELETE", "tag=a&how=own")) == {"mine"}


async def test_no_list_is_longer_than_configured(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving(cdn={"headers": ["cache-groups"], "max_header_bytes": 256}) as pond:
        answer = await asked(pond, "DELETE", "tag=a&how=many")
        assert len(answer.headers["cache-group-invalidation"]) <= 256
        assert "a" in groups(answer)


@pytest.mark.parametrize("config", [{}, {"cdn": {}}, {"cdn": {"headers": ["xkey"]}}])
async def test_without_cache_groups_nothing_is_said(project: Project, config: dict[str, Any]) -> None:
    project.routes(ROUTES)
    async with project.serving(**config) as pond:
        assert "cache-group-invalidation" not in (await asked(pond, "POST", "tag=a")).headers


async def test_endpoints_in_code_and_the_one_for_webhooks_say_it(project: Project) -> None:
    project.routes(ROUTES)
    secret = "a secret of enough letters"
    pond = project.pond(**GROUPS, revalidate_endpoint={"secret": secret})
    declare(project, pond, MAIN)
    async with pond.lifespan(), client_of(pond) as client:
        assert groups(await client.post("/plain?tag=a")) == {"a"}
        assert groups(await client.post("/plain-async?tag=a")) == {"a"}
        assert groups(await client.get("/safe?tag=a")) == set()
        order = {"tags": ["hooked"], "paths": ["/items/1"]}
        headers = {"authorization": f"Bearer {secret}"}
        answer = await client.post("/api/revalidate", headers=headers, json=order)
        assert "hooked" in groups(answer)
        assert groups(answer) & groups(await client.get("/items/1"), "cache-groups")


async def test_middleware_of_the_users_makes_no_difference(project: Project) -> None:
    project.routes(ROUTES)
    await project.built(**GROUPS)
    pond = project.pond(**GROUPS)

    @pond.middleware("http")
    async def passing(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    async with pond.lifespan(), client_of(pond) as client:
        assert groups(await client.post("/change?tag=a")) == {"a"}
        failed = await client.request("DELETE", "/change?tag=b&how=failed")
        assert (failed.status_code, groups(failed)) == (500, {"b"})
