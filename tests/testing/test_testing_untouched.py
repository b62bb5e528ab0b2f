"""A project with a build and a store: whatever runs its tests, they touch neither, and get their own data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tested_project import PATHS, TestedProject

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = f"""
import pytest
from fastapi.testclient import TestClient
from main import app

def check(client):
    for path in {PATHS}:
        assert client.get(path).json()["row"] == "test's", path
        assert client.get(path).json()["row"] == "test's", path
    app.store.invalidate(["rows"])
    assert client.get("/data").headers["x-nextjs-cache"] == "MISS"

def test_without_a_lifespan():
    check(TestClient(app))

def test_with_a_lifespan():
    with TestClient(app) as client:
        check(client)

@pytest.fixture(scope="session")
def client():
    with TestClient(app) as client:
        yield client

def test_a_client_of_the_whole_session(client):
    check(client)

def test_two_at_once(client):
    with TestClient(app) as another:
        check(another)
        check(client)
"""

ASYNC = f"""
import httpx2
import pytest
from main import app

pytestmark = pytest.mark.anyio

@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"

@pytest.fixture
async def client():
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client:
        yield client

async def check(client):
    for path in {PATHS}:
        assert (await client.get(path)).json()["row"] == "test's", path
        assert (await client.get(path)).json()["row"] == "test's", path

async def test_without_a_lifespan(client):
    await check(client)

async def test_with_a_lifespan(client):
    async with app.router.lifespan_context(app), app.lifespan():
        await check(client)
"""

COLLECTED = """
import asyncio
import httpx2
from main import app

async def ask():
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client:
        return (await client.get("/")).json()

FOUND = asyncio.run(ask())

def test_what_was_asked_for_while_pytest_collected():
    assert FOUND == {"row": "test's"}
"""

THREADED = """
import threading
import time
import httpx2
import pytest
import uvicorn
from main import app

@pytest.fixture(scope="session")
def address():
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()

def test_a_server_in_a_thread(address):
    assert httpx2.get(address, trust_env=False).json() == {"row": "test's"}
"""

UNITTEST = f"""
import unittest
import httpx2
from fastapi.testclient import TestClient
from main import app

class Tests(unittest.TestCase):
    def test_sync(self):
        for path in {PATHS}:
            self.assertEqual(TestClient(app).get(path).json()["row"], "test's")

class AsyncTests(unittest.IsolatedAsyncioTestCase):
    async def test_async(self):
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client:
            for path in {PATHS}:
                self.assertEqual((await client.get(path)).json()["row"], "test's")

if __name__ == "__main__":
    unittest.main()
"""

PARENT = f"""
from contextlib import asynccontextmanager
from fastapi import FastAPI
from fastapi.testclient import TestClient
from main import app

@asynccontextmanager
async def life(parent):
    async with app.lifespan():
        yield

parent = FastAPI(lifespan=life)
parent.mount("/shop", app)

def test_a_mounted_application():
    for path in {PATHS}:
        assert TestClient(parent).get("/shop" + path).json()["row"] == "test's"
        with TestClient(parent) as client:
            assert client.get("/shop" + path).json()["row"] == "test's"
"""

FORKED = """
import multiprocessing
import pytest

def ask(answers):
    import asyncio, httpx2
    from main import app
    async def ask():
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client:
            return (await client.get("/")).json()
    answers.put(asyncio.run(ask()))

@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_function_of_a_test_in_another_process(method):
    context = multiprocessing.get_context(method)
    answers = context.SimpleQueue()
    process = context.Process(target=ask, args=[answers])
    process.start()
    try:
        assert answers.get() == {"row": "test's"}
    finally:
        process.join()
"""

KIT = f"""
import pytest
from millpond.testing import AsyncTestClient, TestClient, assert_hit, assert_stale
from main import app

@pytest.mark.parametrize("use_build", [False, True])
def test_the_kit(use_build):
    with TestClient(app, use_build=use_build) as client:
        client.clock.move(3601)
        for path in {PATHS[1:3]}:
            client.get(path)
            client.invalidate("rows", paths=[path])
            assert client.get(path).json()["row"] == "test's", path
            assert_hit(client.get(path))
            client.clock.move(3601)
            assert_stale(client.get(path))
        client.clear()

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_async_kit():
    async with AsyncTestClient(app) as client:
        for path in {PATHS}:
            assert (await client.get(path)).json()["row"] == "test's", path
"""


PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> TestedProject:
    """A project that was built, and whose server has stored some answers and data."""
    shop = TestedProject(tmp_path_factory.mktemp("shop"))
    shop.build()
    with shop.served() as client:
        for path in PATHS:
            client.get(path)
    assert any(name.endswith(".mdb") for name in shop.stored())
    return shop


@pytest.mark.parametrize(
    ("source", "command"),
    [
        pytest.param(PLAIN, (*PYTEST, "test_it.py"), id="TestClient"),
        pytest.param(ASYNC, (*PYTEST, "test_it.py"), id="AsyncClient under anyio"),
        pytest.param(COLLECTED, (*PYTEST, "test_it.py"), id="while pytest collects"),
        pytest.param(THREADED, (*PYTEST, "test_it.py"), id="a server in a thread"),
        pytest.param(PARENT, (*PYTEST, "test_it.py"), id="a mounted application"),
        pytest.param(FORKED, (*PYTEST, "test_it.py"), id="multiprocessing"),
        pytest.param(KIT, (*PYTEST, "test_it.py"), id="the kit"),
        pytest.param(ASYNC, (*PYTEST, "-n", "2", "test_it.py"), id="xdist"),
        pytest.param(UNITTEST, ("-m", "unittest", "test_it"), id="unittest"),
        pytest.param(UNITTEST, ("test_it.py",), id="unittest.main()"),
    ],
)
def test_a_run_of_tests_changes_no_file_of_the_build_and_the_store(
    shop: TestedProject, source: str, command: tuple[str, ...]
) -> None:
    before = shop.stored()
    shop.passes("test_it.py", source, *command)
    assert shop.stored() == before


def test_a_project_that_was_never_built_gets_no_folder(tmp_path: Path) -> None:
    project = TestedProject(tmp_path)
    project.write({"test_plain.py": PLAIN, "test_async.py": ASYNC})
    project.passes("test_kit.py", KIT.replace("[False, True]", "[False]"), *PYTEST, ".")
    assert not (tmp_path / ".millpond").exists()


def test_a_server_beside_answers_no_row_of_a_tests_database(shop: TestedProject) -> None:
    """Tests that came to the real store would also take leases, and store what they render under them."""
    shop.write({"test_plain.py": PLAIN, "test_async.py": ASYNC})
    paths = [*PATHS, "/items/8"]
    with shop.served() as client:
        former = {path: client.get(path).json()["row"] for path in paths}
        shop.passes("test_kit.py", KIT, *PYTEST, "test_plain.py", "test_async.py", "test_kit.py")
        answers = {path: client.get(path) for path in paths}
        assert {path: answer.json()["row"] for path, answer in answers.items()} == former
        assert [answers[path].headers.get("x-nextjs-cache") for path in paths] == [*["HIT"] * 3, None, "HIT"]
    with shop.served() as client:
        assert {path: client.get(path).json()["row"] for path in paths} == former
    assert "test's" not in former.values()
