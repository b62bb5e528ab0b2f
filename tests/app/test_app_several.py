"""Several applications in one process: which of them a call means, wherever it is made."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, NamedTuple

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, WebSocket
from starlette.testclient import TestClient

from millpond import Millpond, revalidate_tag
from millpond.errors import UsageError
from millpond.metadata import head_links
from ponds import Project, client_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

ICON = '<svg xmlns="http://www.w3.org/2000/svg"/>'
ROUTE = """
import asyncio, functools, threading
from contextvars import copy_context
from millpond.errors import UsageError
from millpond import after, cached, revalidate_tag
from millpond.metadata import head_links
dynamic = "force-dynamic"

def meant():
    return [revalidate_tag("t").generation, head_links("/")]

@cached
def links():
    return str(head_links("/"))

def refused():
    found = []
    for call in (lambda: revalidate_tag("t"), lambda: head_links("/")):
        try:
            found.append(str(call()))
        except UsageError as error:
            found.append(str(error))
    return found

def in_thread(run):
    found = []
    thread = threading.Thread(target=lambda: found.append(run()))
    thread.start()
    thread.join()
    return found[0]

later = []

async def GET(request):
    match request.query_params["where"]:
        case "handler": return meant()
        case "thread with its context": return in_thread(functools.partial(copy_context().run, meant))
        case "to_thread": return await asyncio.to_thread(meant)
        case "bare thread": return in_thread(refused)
        case "executor": return await asyncio.get_running_loop().run_in_executor(None, refused)
        case "task": return await asyncio.create_task(asyncio.sleep(0, meant()))
        case "function": return [revalidate_tag("t").generation, links()]
        case "after":
            after(lambda: later.append(meant()))
        case "later":
            return later.pop()
"""


class Several(NamedTuple):
    """Two running applications; they differ in their base path, and so in the links of their pages."""

    one: Millpond
    two: Millpond


def invalidated(apps: Several) -> tuple[int, int]:
    return apps.one.store.generation(), apps.two.store.generation()


def written(project: Project) -> Project:
    project.write({"app/where/route.py": ROUTE, "app/icon.svg": ICON})
    return project


async def asked(pond: Millpond, base_path: str, where: str) -> list[object]:
    async with client_of(pond) as client:
        answer = (await client.get(f"{base_path}/where?where={where}")).json()
        if where == "after":
            await asyncio.sleep(0)
            assert pond._runtimes.first is not None
            await pond._runtimes.first.drain(5)
            answer = (await client.get(f"{base_path}/where?where=later")).json()
    assert isinstance(answer, list)
    return answer


@pytest.fixture(params=["projects", "folder"])
def apps(request: pytest.FixtureRequest, project: Project, tmp_path: Path) -> Several:
    """Two of different projects, or two of the same folder."""
    first = written(project)
    second = first
    if request.param == "projects":
        (tmp_path / "second").mkdir()
        second = written(Project(tmp_path / "second", config=project.config))
    return Several(first.pond(base_path="/one"), second.pond(base_path="/two"))


WHERE = ["handler", "thread with its context", "to_thread", "task", "function", "after"]


@pytest.mark.parametrize("where", WHERE)
async def test_a_call_means_the_application_whose_handler_makes_it(apps: Several, where: str) -> None:
    async with apps.one.lifespan(), apps.two.lifespan():
        for pond, path, reached in ((apps.one, "/one", (True, False)), (apps.two, "/two", (True, True))):
            generation, links = await asked(pond, path, where)
            assert generation == 1
            assert f'href="{path}/icon.svg' in str(links)
            assert tuple(map(bool, invalidated(apps))) == reached  # it may count again when a request has ended


@pytest.mark.parametrize("where", ["bare thread", "executor"])
async def test_a_thread_that_has_nobodys_context_means_no_handler(apps: Several, where: str) -> None:
    async with apps.one.lifespan(), apps.two.lifespan():
        for text, function in zip(await asked(apps.one, "/one", where), ("revalidate_tag", "head_links"), strict=True):
            assert text == f"2 applications run in this process: call {function}() in a handler of one of them."
        assert invalidated(apps) == (0, 0)


CALLS: list[Callable[[], object]] = [lambda: revalidate_tag("t"), lambda: head_links("/")]


@pytest.mark.parametrize("call", CALLS, ids=["revalidate_tag", "head_links"])
async def test_outside_of_handlers_a_call_means_the_only_application_or_none(
    apps: Several, call: Callable[[], object]
) -> None:
    with pytest.raises(UsageError, match="no application runs in this process"):
        call()
    async with apps.one.lifespan():
        call()
        async with apps.two.lifespan():
            with pytest.raises(UsageError, match=r"2 applications run in this process: call \w+\(\) in a handler"):
                call()
            with pytest.raises(UsageError, match="2 applications run in this process"):
                await asyncio.to_thread(call)
        call()
        await asyncio.to_thread(call)
    with pytest.raises(UsageError, match="no application runs in this process"):
        call()


async def test_the_one_that_is_left_is_meant_when_the_first_has_ended(apps: Several) -> None:
    first = apps.one.lifespan()
    await first.__aenter__()
    async with apps.two.lifespan():
        await first.__aexit__(None, None, None)
        assert revalidate_tag("t").generation == 1
        assert invalidated(apps) == (0, 1)
        assert 'href="/two/icon.svg' in head_links("/")


async def test_calls_in_different_event_loops_mean_the_application_of_each(apps: Several) -> None:
    def served(pond: Millpond, path: str) -> list[object]:
        async def answer() -> list[object]:
            async with pond.lifespan():
                started.release()
                await asyncio.to_thread(both.wait)
                return await asked(pond, path, "handler")

        return asyncio.run(answer())

    started, both = threading.Semaphore(0), threading.Barrier(2)
    one, two = await asyncio.gather(
        asyncio.to_thread(served, apps.one, "/one"), asyncio.to_thread(served, apps.two, "/two")
    )
    assert (one[0], two[0]) == (1, 1)
    assert "/one/icon.svg" in str(one[1])
    assert "/two/icon.svg" in str(two[1])


def test_two_that_are_mounted_mean_each_its_own(apps: Several) -> None:
    outer = FastAPI()
    outer.mount("/a", apps.one)
    outer.mount("/b", apps.two)
    with TestClient(outer) as client:
        assert "/one/icon.svg" in client.get("/a/one/where?where=handler").text
        assert "/two/icon.svg" in client.get("/b/two/where?where=handler").text
    assert invalidated(apps) == (1, 1)


def test_an_endpoint_means_its_application_wherever_it_calls(apps: Several) -> None:
    outer = FastAPI()
    seen: list[str] = []

    def of_endpoint(pond: Millpond) -> None:
        def on_exit() -> Iterator[None]:
            yield
            seen.append(str(head_links("/")))

        @pond.put("/declared", dependencies=[Depends(on_exit)])
        def declared(tasks: BackgroundTasks) -> int:
            tasks.add_task(revalidate_tag, "t")
            seen.append(str(head_links("/")))
            return revalidate_tag("t").generation

        @pond.websocket("/socket")
        async def socket(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.send_text(str(head_links("/")))
            await websocket.close()

    for path, pond in (("/a", apps.one), ("/b", apps.two)):
        of_endpoint(pond)
        outer.mount(path, pond)
    with TestClient(outer) as client:
        for path, own in (("/a/one", "/one"), ("/b/two", "/two")):
            seen.clear()
            assert client.put(f"{path}/declared").json() == 1
            with client.websocket_connect(f"{path}/socket") as session:
                seen.append(session.receive_text())
            assert len(seen) == 3
            assert all(f'href="{own}/icon.svg' in links for links in seen)
    assert invalidated(apps) == (2, 2)
