"""A server that a test starts as a process of its own serves the project's build: for tests from end to end."""

from __future__ import annotations

import os

import pytest
from tested_project import TestedProject

UVICORN = ("-m", "uvicorn", "--port", "{port}")

HELPED = """
import pytest
from millpond import Millpond

app = Millpond("app")
approx = pytest.approx
"""
"""What the servers of tests are made of may import pytest."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> TestedProject:
    shop = TestedProject(tmp_path_factory.mktemp("shop"))
    shop.build()
    return shop


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("-m", "millpond", "start", "--port", "{port}"), id="millpond start"),
        pytest.param(("-m", "millpond", "start", "--port", "{port}", "--workers", "2"), id="workers"),
        pytest.param((*UVICORN, "main:app"), id="uvicorn"),
        pytest.param((*UVICORN, "--workers", "2", "main:app"), id="workers of uvicorn"),
        pytest.param((*UVICORN, "helped:app"), id="with pytest imported"),
    ],
)
def test_a_server_that_a_test_starts_serves_the_build_and_the_store(
    shop: TestedProject, command: tuple[str, ...]
) -> None:
    assert "PYTEST_CURRENT_TEST" in os.environ, "the server inherits what says that a test runs"
    shop.write({"helped.py": HELPED})
    with shop.served(*command) as client:
        answer = client.get("/")
        assert (answer.json()["row"], answer.headers["x-nextjs-cache"]) == ("built", "HIT")
        former = client.get("/items/9").json()
    with shop.served(*command, ROW="another") as client:
        answer = client.get("/items/9")
        assert (answer.json(), answer.headers["x-nextjs-cache"]) == (former, "HIT")


def test_an_application_that_is_told_not_to_be_isolated_serves_the_build_in_a_test(shop: TestedProject) -> None:
    source = """
        from fastapi.testclient import TestClient
        from main import app

        app.isolated = False

        def test_the_build_is_served():
            with TestClient(app) as client:
                answer = client.get("/")
                assert (answer.json()["row"], answer.headers["x-nextjs-cache"]) == ("built", "HIT")
        """
    shop.passes("test_it.py", source, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")


def test_an_application_that_is_told_to_be_isolated_is_so_in_a_server_too(shop: TestedProject) -> None:
    shop.write({"apart.py": "from main import app\napp.isolated = True\n"})
    before = shop.stored()
    with shop.served(*UVICORN, "apart:app") as client:
        answer = client.get("/")
        assert (answer.json()["row"], answer.headers["x-nextjs-cache"]) == ("real", "MISS")
    assert shop.stored() == before
