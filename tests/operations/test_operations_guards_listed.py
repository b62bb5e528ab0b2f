"""What an application or a router lists in `dependencies` is a guard, as what a folder lists."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Depends

from declared_in_code import build, pond_of, serving
from millpond import Millpond
from millpond.config import parse_config
from millpond.errors import BuildError
from millpond.stores.memory import MemoryStore
from ponds import client_of, start

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = [pytest.mark.anyio, pytest.mark.private_names]

BANNED = {"x-banned": "yes", "cookie": "banned=yes"}
KEYED = "revalidate = 60\ncache_query = ['token']\ndef GET(): return 1\n"
FORCED = "from millpond import headers\ndynamic = 'force-static'\ndef GET(): return headers().get('x-any')\n"
GUARDS = {
    "guards.py": """
    import asyncio
    from fastapi import Header, HTTPException, Request
    from millpond import cookies, headers

    def declares(x_banned: str = Header("")):
        if x_banned:
            raise HTTPException(403)

    def reads(request: Request):
        if request.headers.get("x-banned"):
            raise HTTPException(403)

    class Made:
        def __new__(cls):
            if headers().get("x-banned"):
                raise HTTPException(403)
            return object.__new__(cls)

    def asks():
        if headers().get("x-banned"):
            raise HTTPException(403)

    async def asks_cookies():
        if cookies().get("banned"):
            raise HTTPException(403)

    async def in_a_task():
        await asyncio.gather(asks_cookies(), asyncio.to_thread(asks))

    def token(token: str = ""):
        if token not in tokens:
            raise HTTPException(401)

    def thread(request):
        return request.query_params.get("token")

    async def token_in_a_thread(request: Request):
        if await asyncio.to_thread(thread, request) not in tokens:
            raise HTTPException(401)

    def token_read(request: Request):
        if request.query_params.get("token") not in tokens:
            raise HTTPException(401)

    tokens = {"secret"}
    """,
}


@pytest.fixture
def guards(project: Project, monkeypatch: pytest.MonkeyPatch) -> Any:
    project.write(GUARDS)
    monkeypatch.syspath_prepend(str(project.folder))
    return importlib.import_module("guards")


def application(project: Project, **options: Any) -> Millpond:
    store = MemoryStore(max_bytes=2**20, clock=project.clock)
    config = parse_config({}, "millpond.toml")
    return Millpond(project.folder / "app", config=config, store=store, clock=project.clock, **options)


def folder_of(guard: str) -> str:
    return f"from fastapi import Depends\nfrom guards import {guard}\ndependencies = [Depends({guard})]\n"


async def statuses(running: Running, path: str, **options: Any) -> list[int]:
    return [(await running.client.get(path, **options)).status_code for _ in range(2)]


ROUTERS = """
    import guards

    for name in ("declares", "reads", "in_a_task", "token", "token_read", "token_in_a_thread"):
        router = APIRouter(prefix=f"/{name}", dependencies=[Depends(getattr(guards, name))])

        @router.get("/forced")
        @static(dynamic="force-static")
        def forced():
            return 1

        @router.get("/keyed")
        @static(cache_query=["token"])
        def keyed():
            return 1

        app.include_router(router)
"""


@pytest.mark.usefixtures("guards")
async def test_a_guard_of_a_router_before_a_force_static_endpoint_sees_who_asks(project: Project) -> None:
    outcome = await build(project, ROUTERS)
    messages = "\n".join(map(str, outcome.failures))
    assert "in_a_task reads" in messages
    assert 'guards.py:6: declares reads header "x-banned" in declares, and dynamic = "force-static"' in messages
    assert "guards.py:10: reads reads the request" in messages
    async with serving(project, ROUTERS) as (running, _):
        for name in ("declares", "reads", "in_a_task"):
            assert await statuses(running, f"/{name}/forced") == [200, 200]
            assert await statuses(running, f"/{name}/forced", headers=BANNED) == [403, 403]


@pytest.mark.parametrize("guard", ["declares", "reads"])
async def test_a_guard_of_the_application_before_a_force_static_route_sees_who_asks(
    project: Project, guards: Any, guard: str
) -> None:
    project.routes({"/": FORCED})
    options = {"dependencies": [Depends(getattr(guards, guard))]}
    outcome = await application(project, **options).build()
    assert 'gives it an empty request, for visitors too; use dynamic = "auto"' in str(outcome.failures)
    for development in (False, True):
        pond = application(project, development=development, **options)
        async with pond.lifespan(), client_of(pond) as client:
            assert (await client.get("/")).status_code == 200
            assert (await client.get("/", headers=BANNED)).status_code == 403


@pytest.mark.parametrize("development", [False, True])
@pytest.mark.parametrize("guard", ["declares", "reads", "asks", "asks_cookies", "in_a_task", "Made"])
@pytest.mark.usefixtures("guards")
async def test_without_a_build_a_guard_below_force_static_sees_who_asks(
    project: Project, guard: str, *, development: bool
) -> None:
    project.write({"app/router.py": folder_of(guard), "app/route.py": FORCED})
    async with project.started(development=development) as running:
        assert await statuses(running, "/") == [200, 200]
        assert await statuses(running, "/", headers=BANNED) == [403, 403]
        if guard not in ("declares", "reads"):  # their signature says it, so the whole run is live
            assert await running.body("/", headers={"x-any": "1"}) == "null"


@pytest.mark.usefixtures("guards")
async def test_a_class_that_guards_as_it_is_made_is_named_by_the_build(project: Project) -> None:
    project.write({"app/router.py": folder_of("Made"), "app/route.py": FORCED})
    assert "app/router.py:3: Made reads headers()" in str(await project.failures())


@pytest.mark.parametrize("guard", ["token", "token_read", "token_in_a_thread"])
@pytest.mark.usefixtures("guards")
async def test_a_revoked_token_in_the_query_is_refused_wherever_its_guard_is_listed(
    project: Project, guard: str
) -> None:
    project.write({"app/folder/router.py": folder_of(guard), "app/folder/route.py": KEYED})
    async with serving(project, ROUTERS) as (running, module):
        for path in ("/folder", f"/{guard}/keyed"):
            assert await statuses(running, f"{path}?token=secret") == [200, 200]
        module["guards"].tokens.clear()
        for path in ("/folder", f"/{guard}/keyed"):
            assert await statuses(running, f"{path}?token=secret") == [401, 401]


@pytest.mark.parametrize("guard", ["token", "token_read", "token_in_a_thread"])
async def test_a_revoked_token_is_refused_by_a_guard_of_the_application(
    project: Project, guards: Any, guard: str
) -> None:
    project.routes({"/": KEYED})
    pond = application(project, dependencies=[Depends(getattr(guards, guard))])
    async with pond.lifespan(), client_of(pond) as client:
        assert (await client.get("/?token=secret")).status_code == 200
        guards.tokens.clear()
        assert (await client.get("/?token=secret")).status_code == 401


ITEMS = """
    from runpy import run_path
    from pathlib import Path
    import guards

    router = run_path(str(Path(__file__).with_name("items.py")))["router"]
"""


async def test_a_guard_that_is_listed_after_the_build_is_not_passed_by_its_answers(
    project: Project, guards: Any
) -> None:
    items = "from fastapi import APIRouter\nfrom millpond import static\nrouter = APIRouter()\n"
    project.write({"items.py": f"{items}@router.get('/items')\n@static()\ndef items(): return 1\n"})
    await build(project, f"{ITEMS}    app.include_router(router)\n")
    guarded = f"{ITEMS}    app.include_router(router, dependencies=[Depends(guards.reads)])\n"
    with pytest.raises(BuildError, match=r"guards\.py:10: reads stands before items\.py"):
        await start(pond_of(project, guarded)[0])
    project.routes({"/": "revalidate = 60\ndef GET(): return 1\n"})
    await application(project).build()
    with pytest.raises(BuildError, match=r"guards\.py:10: reads stands before app/route\.py"):
        await start(application(project, dependencies=[Depends(guards.reads)]))


VERSIONED = """
    from starlette.routing import Match
    import guards

    class Versioned(APIRouter):
        version = b"1"

        def matches(self, scope):
            is_mine = dict(scope["headers"]).get(b"x-version", b"1") == self.version
            return super().matches(scope) if is_mine else (Match.NONE, {})

    items = APIRouter()

    @items.get("/items")
    @static()
    def get_items():
        return "items"

    first, second = Versioned(), Versioned()
    second.version = b"2"
    first.include_router(items)
    second.include_router(items, dependencies=[Depends(guards.reads)])
    app.include_router(first)
    app.include_router(second)
"""


@pytest.mark.usefixtures("guards")
async def test_two_inclusions_at_one_path_have_each_their_own_guards(project: Project) -> None:
    async with serving(project, VERSIONED) as (running, _):
        assert await statuses(running, "/items", headers=BANNED) == [200, 200]
        assert await statuses(running, "/items", headers={"x-version": "2"}) == [200, 200]
        assert await statuses(running, "/items", headers={"x-version": "2", **BANNED}) == [403, 403]
