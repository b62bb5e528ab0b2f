"""What middleware of the application leaves in a request's scope for endpoints: a shared render has nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from declared_in_code import serving

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

READS = {
    "get": 'request.scope.get("tenant")',
    "get-of-request": 'request.get("tenant")',
    "key": 'request.scope["tenant"]',
    "contained": '"tenant" in request.scope and request.scope["tenant"]',
    "contained-in-request": '"tenant" in request and request["tenant"]',
    "state-get": 'request.scope["state"].get("tenant")',
    "state-key": 'request.scope["state"]["tenant"]',
    "state-contained": '"tenant" in request.scope["state"] and request.scope["state"]["tenant"]',
    "state-copied": 'request.scope["state"].copy().get("tenant")',
    "state-unpacked": '{**request.scope["state"]}.get("tenant")',
    "state-as-dict": 'dict(request.scope["state"]).get("tenant")',
    "state-merged": '({} | request.scope["state"]).get("tenant")',
    "state-items": 'next((value for key, value in request.scope["state"].items() if key == "tenant"), "")',
    "state-popped": 'request.scope["state"].pop("tenant", "")',
    "state-counted": 'len(request.scope["state"]) and request.state.tenant',
    "state-iterated": "list(request.state) and request.state.tenant",
    "state": 'getattr(request.state, "tenant", None)',
    "in-a-dependency": "tenant",
}

SOURCE = """
class Tenants:
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            tenant = dict(scope["headers"]).get(b"x-tenant", b"").decode()
            scope["tenant"] = scope.setdefault("state", {})["tenant"] = tenant
        await self.app(scope, receive, send)
app.add_middleware(Tenants)
def of(request: Request): return request.scope.get("tenant")
@app.get("/nothing")
@static()
def nothing(request: Request): return [request.scope.get("type"), request.scope["path"], "method" in request]
""" + "".join(
    f"""
@app.get("/{name}")
@static()
def {name.replace("-", "_")}(request: Request, tenant=Depends(of)): return {read}
"""
    if name == "in-a-dependency"
    else f"""
@app.get("/{name}")
@static()
def {name.replace("-", "_")}(request: Request): return {read}
"""
    for name, read in READS.items()
)


async def test_what_middleware_left_there_is_each_visitors_own(project: Project) -> None:
    async with serving(project, SOURCE) as (running, _):
        for name in READS:
            for tenant in ("a", "b"):
                answer = await running.get(f"/{name}", headers={"x-tenant": tenant})
                assert (name, answer.json(), answer.headers.get("x-nextjs-cache")) == (name, tenant, None)


async def test_what_every_request_has_may_be_asked_for(project: Project) -> None:
    async with serving(project, SOURCE) as (running, _):
        for cache in ("MISS", "HIT"):
            answer = await running.get("/nothing")
            assert (answer.json(), answer.headers["x-nextjs-cache"]) == (["http", "/nothing", True], cache)
