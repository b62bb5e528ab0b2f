"""Invalidations of a request that commits at its end count again when it has (R6.26)."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from declared_in_code import declare
from engines import Engine
from millpond import Millpond
from millpond.config import parse_config
from millpond.stores.lmdb.store import LmdbStore
from millpond.stores.memory import MemoryStore
from millpond.stores.valkey.store import ValkeyStore
from ponds import Running, client_of, turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from millpond.stores.contract import Store
    from ponds import Project

pytestmark = pytest.mark.anyio

WORLD = """
rows = {}

async def nothing():
    pass

between = nothing
"""
SESSIONS = """
from typing import Annotated, Any
from fastapi import BackgroundTasks, Body, Depends, Response
from starlette.background import BackgroundTask
from millpond import cached, revalidate_path, revalidate_tag, update_tag
import world

async def session():
    changed = {}
    yield changed
    await world.between()
    world.rows.update(changed)

async def cleaned():
    yield
    await world.between()

def keep(value):
    world.rows.update(v=value)

async def keep_later(value):
    await world.between()
    keep(value)

Session = Annotated[dict, Depends(session)]
SoonSession = Annotated[dict, Depends(session, scope="function")]
"""
READ = """
import world
from millpond import response_tags
revalidate = 3600
def GET():
    response_tags("rows")
    return world.rows.get("v")
"""
WAYS = {
    "path": 'def {name}(value: int, session: Session):\n    session["v"] = value\n    revalidate_path("/row")\n',
    "tag": 'async def {name}(value: int, session: Session):\n    session["v"] = value\n    revalidate_tag("rows")\n',
    "soft": 'def {name}(value: int, session: Session):\n    session["v"] = value\n    revalidate_tag("rows", "max")\n',
    "update": 'def {name}(value: int, session: Session):\n    session["v"] = value\n    update_tag("rows")\n',
    "soon": 'def {name}(value: int, session: SoonSession):\n    session["v"] = value\n    revalidate_path("/row")\n',
    "stream": """def {name}(value: int, session: Session):
    session["v"] = value
    revalidate_path("/row")
    yield "a"
    revalidate_path("/other")
""",
    "task": """def {name}(value: int, tasks: BackgroundTasks):
    tasks.add_task(keep_later, value)
    revalidate_path("/row")
""",
    "background": """def {name}(value: int):
    revalidate_path("/row")
    return Response(background=BackgroundTask(keep_later, value))
""",
    "raises": """def {name}(value: int, session: Session):
    session["v"] = value
    revalidate_path("/row")
    raise LookupError
""",
}


@contextmanager
def store_of(kind: str, project: Project) -> Iterator[Store]:
    if kind == "memory":
        yield MemoryStore(max_bytes=2**20, clock=project.clock)
    elif kind == "lmdb":
        yield LmdbStore(project.folder / "store", max_bytes=2**22, clock=project.clock)
    else:
        with Engine() as engine:
            yield ValkeyStore(engine.address, prefix="again", max_bytes=2**22, clock=project.clock, build="b")


@asynccontextmanager
async def serving(project: Project, kind: str = "memory", more: str = "") -> AsyncIterator[tuple[Running, Any]]:
    """Route files at /files/…, and the same functions as endpoints at /code/…"""
    project.write({"world.py": WORLD})
    project.routes({"/row": READ})
    for name, text in WAYS.items():
        project.routes({f"/files/{name}": SESSIONS + text.format(name="POST")})
    config = parse_config({**project.config, "cache": {"store": "memory"}}, "millpond.toml")
    with store_of(kind, project) as store:
        pond = Millpond(project.folder / "app", config=config, store=store, clock=project.clock)
        pond.file_routes  # noqa: B018 - loads them
        endpoints = [f'@app.post("/code/{name}")\n{text.format(name=name)}' for name, text in WAYS.items()]
        module = declare(project, pond, "\n\n" + SESSIONS + "\n".join(endpoints) + more)
        async with pond.lifespan(), client_of(pond) as client:
            yield Running(pond, client), module["world"]


@pytest.mark.parametrize("store", ["memory", "lmdb", "valkey"])
async def test_what_was_read_before_the_commit_is_gone_after_it(project: Project, store: str) -> None:
    async with serving(project, store) as (running, world):
        number = 0
        for name in WAYS if store != "valkey" else ["path", "soon"]:
            for where in ("files", "code"):
                number += 1

                async def read_old() -> None:
                    await running.get("/row")
                    await running.get("/row")

                world.between = read_old
                await running.post(f"/{where}/{name}?value={number}")
                if name == "raises":
                    world.rows.update(v=number)
                    continue
                await running.settle()
                await running.get("/row")  # which is stale after "max"
                await running.settle()
                assert await running.body("/row") == str(number), (where, name)
                assert await running.cache("/row") == "HIT"


@pytest.mark.parametrize("where", ["files", "code"])
async def test_a_commit_before_the_answer_counts_before_the_answer(project: Project, where: str) -> None:
    async with serving(project) as (running, world):
        seen: list[bytes] = []

        async def read_old() -> None:
            await running.get("/row")

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                seen.append((await running.get("/row")).content)

        world.between = read_old
        for value in (1, 2):
            path = f"/{where}/soon"
            scope: dict[str, Any] = {"type": "http", "asgi": {}, "http_version": "1.1", "method": "POST", "path": path}
            scope |= {"raw_path": path.encode(), "query_string": b"value=%d" % value, "headers": [], "root_path": ""}
            await running.pond(scope, receive, send)
        assert seen == [b"1", b"2"]


@pytest.mark.parametrize("where", ["files", "code"])
async def test_thirty_writes_are_each_read_by_the_one_who_made_them(project: Project, where: str) -> None:
    async with serving(project) as (running, world):

        async def read_old() -> None:
            await running.get("/row")

        world.between = read_old
        for value in range(30):
            await running.post(f"/{where}/path?value={value}")
            assert await running.body("/row") == str(value)


SIMPLE = """
@app.post("/simple")
def simple(data: dict[str, int]):
    revalidate_tag("rows")

@app.post("/cleaned")
def cleans(_: Annotated[Any, Depends(cleaned)]):
    revalidate_tag("rows")

@app.post("/exit")
def at_exit(_: Annotated[Any, Depends(exact)]):
    return 1
"""
EXACT = """
def exact():
    yield
    revalidate_tag("rows")
"""


async def test_it_counts_once_where_nothing_was_read_meanwhile(project: Project) -> None:
    async with serving(project, more=EXACT + SIMPLE) as (running, _):
        for path in ("/simple", "/cleaned", "/exit", "/files/path?value=1", "/code/path?value=1"):
            before = running.pond.store.generation()
            await running.post(path, json={})
            assert running.pond.store.generation() == before + 1, path


async def test_a_route_that_commits_nothing_at_its_end_counts_once_in_a_store_that_others_share(
    project: Project,
) -> None:
    project.routes(
        {
            "/now": SESSIONS + "def POST(data: dict[str, int]): revalidate_tag('rows')\n",
            "/direct": SESSIONS + "def POST(): revalidate_tag('rows')\n",
            "/exact": SESSIONS + EXACT + "def POST(_: Annotated[Any, Depends(exact)]): return 1\n",
        }
    )
    async with serving(project, "lmdb") as (running, _):
        for path in ("/now", "/direct", "/exact"):
            before = running.pond.store.generation()
            assert (await running.post(path, json={})).status_code == 200
            assert running.pond.store.generation() == before + 1, path


class Told:
    """The purges of caches in front."""

    latest = 0

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def announce(self, tags: Any, *, expire_after: float | None) -> int:
        del expire_after
        self.calls.append(list(tags))
        return 1

    async def drain(self, seconds: float) -> None:
        del seconds


async def test_caches_in_front_are_told_once(project: Project) -> None:
    async with serving(project) as (running, world):
        told = Told()
        runtime: Any = running.pond._runtimes.first
        runtime.data.purges = told

        async def read_old() -> None:
            await running.get("/row")

        world.between = read_old
        await running.post("/files/tag?value=1")
        await running.post("/code/tag?value=2")
        assert told.calls == [["rows"], ["rows"]]


async def test_what_a_request_leaves_behind_counts_once(project: Project) -> None:
    left = """
import asyncio
tasks = []

@app.post("/left")
async def left():
    async def later():
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        revalidate_tag("rows")
    tasks.append(asyncio.create_task(later()))
"""
    async with serving(project, "lmdb", more=left) as (running, _):
        before = running.pond.store.generation()
        await running.post("/left")
        await turns()
        assert running.pond.store.generation() == before + 1
