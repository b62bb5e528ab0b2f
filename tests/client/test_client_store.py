"""`millpond.client` through the file of the embedded store."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from client_project import seen, served

import millpond.client
import other_users
from millpond.client import AsyncClient, Client, Reached, UnreachedError, configure
from millpond.errors import ConfigError, UsageError
from millpond.routes.imports import forget
from millpond.stores.lmdb.layout import LAYOUT_KEY
from millpond.stores.lmdb.store import LmdbStore
from ponds import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def untold(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing in the environment, or from another test, says where the cache is."""
    for name in ("MILLPOND_URL", "MILLPOND_SECRET", "MILLPOND_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    yield
    millpond.client.default_client._configured.clear()


@pytest.mark.parametrize(
    ("call", "path", "then"),
    [
        (lambda client: client.revalidate_tag("stock"), "/", "MISS"),
        (lambda client: client.revalidate_tag("stock", "max"), "/", "STALE"),
        (lambda client: client.revalidate_tag("stock", {"expire": 60}), "/", "STALE"),
        (lambda client: client.revalidate_tag("stock", expire=60), "/", "STALE"),
        (lambda client: client.revalidate_tag("stock", expire=0), "/", "MISS"),
        (lambda client: client.revalidate_tag("other"), "/", "HIT"),
        (lambda client: client.update_tag("stock"), "/", "MISS"),
        (lambda client: client.revalidate_path("/items/1"), "/items/1", "MISS"),
        (lambda client: client.revalidate_path("/items/2"), "/items/1", "HIT"),
        (lambda client: client.revalidate_path("/items/[id]"), "/items/1", "MISS"),
        (lambda client: client.revalidate_path("/items/[id]", id=1), "/items/1", "MISS"),
        (lambda client: client.revalidate_path("/items/{id}", id="a/b"), "/items/a%2Fb", "MISS"),
        (lambda client: client.revalidate_path("/", "layout"), "/items/1", "MISS"),
        (lambda client: client.revalidate(tags=["a", "stock"], paths=["/items/1"]), "/", "MISS"),
        (lambda client: client.revalidate(paths="/items/1"), "/items/1", "MISS"),
    ],
)
async def test_a_running_server_sees_a_call_at_its_next_request(
    project: Project, call: Callable[[Client], Reached], path: str, then: str
) -> None:
    async with served(project) as server:
        assert await seen(server, path) == "HIT"
        reached = await asyncio.to_thread(call, Client(project.folder))
        assert await seen(server, path) == then
    assert (reached.via, reached.where) == ("lmdb", str(project.folder / ".millpond" / "cache"))
    assert reached.generation == 1


TENANTS = """
    cache_host = True
    hosts = ["a.example", "b.example"]
    revalidate = 3600

    def GET(request):
        return request.url.hostname
    """


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.revalidate_path("/tenants", host="b.example"),
        lambda client: client.revalidate_path("/tenants", host="B.example:8000"),
        lambda client: client.revalidate(paths=["/tenants"], host="b.example"),
    ],
)
async def test_one_host_can_be_named(project: Project, call: Callable[[Client], Reached]) -> None:
    project.routes({"/tenants": TENANTS})
    async with served(project) as server:
        await asyncio.to_thread(call, Client(project.folder))
        answers = [await server.get("/tenants", headers={"host": f"{host}.example"}) for host in "ab"]
        assert [answer.headers["x-nextjs-cache"] for answer in answers] == ["HIT", "MISS"]
    with pytest.raises(UsageError, match="is no host"):
        Client(project.folder).revalidate_tag("stock", host="no host")


async def test_the_functions_find_the_project_above_the_working_directory(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(project) as server:
        (project.folder / "workers" / "mail").mkdir(parents=True)
        monkeypatch.chdir(project.folder / "workers" / "mail")
        assert millpond.client.revalidate_tag("stock") == Reached(
            tags=1, paths=0, generation=1, via="lmdb", where=str(project.folder / ".millpond" / "cache")
        )
        assert await seen(server, "/") == "MISS"
        assert (await millpond.client.arevalidate(tags=["stock"], profile="max")).generation == 2
        assert (await millpond.client.arevalidate_tag("stock", expire=60)).generation == 3
        assert (await millpond.client.aupdate_tag("stock")).generation == 4
        assert (await millpond.client.arevalidate_path("/items/[id]", id="1")).paths == 1
        assert millpond.client.revalidate(paths=["/items/1"]).generation == 6
        assert millpond.client.revalidate_path("/items/1").generation == 7
        assert millpond.client.update_tag("stock").generation == 8


async def test_arguments_the_environment_and_configure_name_another_project(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    async with served(project):
        with pytest.raises(UnreachedError) as nowhere:
            millpond.client.revalidate_tag("stock")
        assert nowhere.value.reason == "project"
        assert "Name its folder with project= or MILLPOND_PROJECT, or a server with url= or MILLPOND_URL" in str(
            nowhere.value
        )
        monkeypatch.setenv("MILLPOND_PROJECT", str(project.folder))
        assert millpond.client.revalidate_tag("stock").generation == 1
        monkeypatch.setenv("MILLPOND_PROJECT", str(tmp_path / "gone"))
        with pytest.raises(UnreachedError, match=r"there is no folder .*gone"):
            millpond.client.revalidate_tag("stock")
        assert Client(project.folder).revalidate_tag("stock").generation == 2
        configure(project.folder)
        assert millpond.client.revalidate_tag("stock").generation == 3
        assert (await millpond.client.arevalidate_tag("stock")).generation == 4


async def test_several_tags_and_paths_are_one_transaction(project: Project) -> None:
    async with served(project):
        client = Client(project.folder)
        assert client.revalidate(tags=["a", "b"], paths=["/items/1", "/items/2"]).generation == 1
        two = client.revalidate(tags=["a", "b"], paths=["/items/1"], profile="max")
        assert (two.tags, two.paths, two.generation) == (2, 1, 2)


async def test_a_path_that_no_route_has_is_a_warning_with_the_nearest(project: Project) -> None:
    async with served(project):
        reached = Client(project.folder).revalidate_path("/itms/[id]")
    assert reached.warnings == ['no route has the path "/itms/[id]"; did you mean "/items/[id]"?']


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda client: client.revalidate(), "name what to invalidate"),
        (lambda client: client.revalidate_tag(7), "of type int"),
        (lambda client: client.revalidate_tag("x" * 300), "over 256"),
        (lambda client: client.revalidate_tag("x", "mix"), 'no lifetime "mix"'),
        (lambda client: client.revalidate_tag("x", "max", expire=1), "not both"),
        (lambda client: client.revalidate_tag("x", expire=-1), "-1"),
        (lambda client: client.revalidate_tag("x", {"expires": 1}), "the profile is"),
        (lambda client: client.revalidate_path("items"), "no leading slash"),
        (lambda client: client.revalidate_path("/items", "lay-out"), "type is"),
        (lambda client: client.revalidate_path("/items/[id]", slug=1), "which has no value"),
        (lambda client: client.revalidate_path("/items/[id]", id=""), "is empty"),
        (lambda client: client.revalidate(paths=[f"/{at}" for at in range(200)]), "over 128"),
        (lambda _: Client(timeout=0), "more than 0"),
    ],
)
async def test_what_makes_no_sense_is_a_usage_error_and_invalidates_nothing(
    project: Project, call: Callable[[Any], object], says: str
) -> None:
    async with served(project):
        client = Client(project.folder)
        with pytest.raises(UsageError, match=says):
            call(client)
        assert client.revalidate_tag("first").generation == 1


async def test_a_store_that_nobody_has_made_is_not_made(project: Project) -> None:
    project.write({"millpond.toml": ""})
    with pytest.raises(UnreachedError, match=r"there is no store in .*; start the application once") as missing:
        Client(project.folder).revalidate_tag("stock")
    assert missing.value.reason == "missing"
    assert not (project.folder / ".millpond").exists()


async def test_a_cache_in_memory_is_only_reached_by_the_endpoint(project: Project) -> None:
    project.write({"millpond.toml": '[cache]\nstore = "memory"\n'})
    with pytest.raises(UnreachedError, match=r"only \[revalidate_endpoint\] reaches it there") as unreached:
        Client(project.folder).revalidate_tag("stock")
    assert unreached.value.reason == "memory"


async def store_of(project: Project) -> Path:
    async with served(project):
        pass
    return project.folder / ".millpond" / "cache"


async def test_a_store_of_another_layout_stays_as_it_is(project: Project) -> None:
    folder = await store_of(project)
    store = LmdbStore(folder, max_bytes=2**20, clock=time.time)
    await store.open()
    with store._transactions.environment.write() as txn:
        txn.put(LAYOUT_KEY, b"another", db=store._transactions.environment.tables.meta)
    await store.close()
    with pytest.raises(UnreachedError, match="written by another version of Millpond") as unreached:
        Client(project.folder).revalidate_tag("stock")
    assert unreached.value.reason == "layout"
    assert sorted(path.name for path in folder.iterdir()) == ["data.mdb", "lock.mdb", "store.lock"]


async def test_a_damaged_store_stays_as_it_is(project: Project) -> None:
    folder = await store_of(project)
    (folder / "data.mdb").write_bytes(b"nonsense" * 1000)
    with pytest.raises(UnreachedError, match="Start the application to recreate it") as unreached:
        Client(project.folder).revalidate_tag("stock")
    assert unreached.value.reason == "damaged"
    assert (folder / "data.mdb").read_bytes() == b"nonsense" * 1000


HOLD = """
import sys, time
from pathlib import Path
from millpond.stores.lmdb.maintenance import LmdbInvalidation

store = LmdbInvalidation(Path(sys.argv[1]), 2**30, 5, creates=False)
with store._transactions.environment.lock.held(5, store._transactions.environment.last_transaction):
    print("held", flush=True)
    time.sleep(60)
"""


def _holder_of(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)


async def test_a_store_that_another_process_writes_to_is_tried_again_and_then_locked(project: Project) -> None:
    folder = await store_of(project)
    holder = _holder_of(folder)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        began = time.monotonic()
        with pytest.raises(UnreachedError, match="in a write transaction for too long") as unreached:
            await AsyncClient(project.folder, timeout=1, retries=0).revalidate_tag("stock")
        assert unreached.value.reason == "locked"
        assert time.monotonic() - began < 9
        waiting = asyncio.create_task(AsyncClient(project.folder, timeout=30).revalidate_tag("stock"))
        await asyncio.sleep(0.2)
        holder.kill()
        assert (await waiting).generation == 1
    finally:
        holder.kill()
        holder.communicate()


OTHER_USER = """
import os, sys
from millpond.client import Client, UnreachedError
Client(sys.argv[1]).revalidate_tag("stock")  # what is imported late can't be read by everybody
os.setgroups([]); os.setresgid(54001, 54001, 54001); os.setresuid(54001, 54001, 54001)
try:
    Client(sys.argv[1]).revalidate_tag("stock")
except UnreachedError as error:
    print(error.reason, error)
"""


@other_users.needed
def test_a_folder_that_may_not_be_written_is_told() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        Path(folder).chmod(0o755)
        asyncio.run(store_of(project))
        for path in (Path(folder) / ".millpond", Path(folder) / ".millpond" / "cache"):
            path.chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", OTHER_USER, folder], capture_output=True, text=True, timeout=30, check=False, cwd="/"
        )
        forget(project.folder)
    assert done.stdout.startswith("read-only the store can't be opened in "), done.stderr


async def test_a_wrong_configuration_is_one_line_with_the_file(project: Project) -> None:
    project.write({"millpond.toml": '[cache]\nstoer = "memory"\n'})
    with pytest.raises(ConfigError, match=r'there is no key "cache.stoer"; did you mean "cache.store"\?'):
        Client(project.folder).revalidate_tag("stock")


async def test_one_client_serves_threads_and_event_loops(project: Project) -> None:
    async with served(project):
        client, awaited = Client(project.folder), AsyncClient(project.folder)
        generations: list[int] = []

        def work() -> None:
            for _ in range(5):
                generations.append(client.revalidate_tag("stock").generation)

        def looping() -> None:
            generations.append(asyncio.run(awaited.revalidate_tag("stock")).generation)
            generations.append(uvloop.run(awaited.revalidate_tag("stock")).generation)

        threads = [threading.Thread(target=target) for target in (work, work, work, looping, looping)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        at_once = await asyncio.gather(*(awaited.update_tag("stock") for _ in range(5)))
        generations += [each.generation for each in at_once]
    assert sorted(generations) == list(range(1, 25))


def test_processes_that_are_forked_after_a_call_or_during_one_make_their_own(project: Project) -> None:
    """As the workers of Celery are, of a parent that has a client; also while another thread of it calls."""
    asyncio.run(store_of(project))
    client, ended = Client(project.folder), threading.Event()
    assert client.revalidate_tag("other").generation == 1

    def work() -> None:
        while not ended.is_set():
            client.revalidate_tag("other")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert [_in_fork(client) for _ in range(8)] == [0] * 8
    finally:
        ended.set()
        thread.join()


def _in_fork(client: Client) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            client.revalidate_tag("stock")
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_client_works_in_processes_that_multiprocessing_makes(project: Project) -> None:
    asyncio.run(store_of(project))
    client = Client(project.folder)
    first = client.revalidate_tag("stock").generation
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            pool.map(_call, [str(project.folder)] * 2)
    assert client.revalidate_tag("stock").generation == first + 5


def _call(folder: str) -> int:
    return Client(folder).revalidate_tag("stock").generation
