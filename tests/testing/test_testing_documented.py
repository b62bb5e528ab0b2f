"""docs/testing.md names what the kit has, and no more."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient as PlainTestClient

from millpond import testing
from millpond.testing import AsyncTestClient, TestClient

CHAPTER = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")
INHERITED = {"close", "aclose", "send"}
"""What replaces something of FastAPI's client."""


def rows(column: str) -> list[str]:
    """The names at the left of the table whose first column is called so."""
    table = re.search(rf"^\| {column} \|.*\n\|[-|]+\n((?:\|.*\n)+)", CHAPTER, re.MULTILINE)
    assert table is not None
    return re.findall(r"^\| `(\w+)", table[1], re.MULTILINE)


def test_the_parameters_that_fastapis_client_lacks_are_in_the_table() -> None:
    known = inspect.signature(PlainTestClient).parameters
    own = [name for name in inspect.signature(TestClient).parameters if name not in known]
    assert rows("parameter") == own
    assert list(inspect.signature(TestClient).parameters)[: len(known)] == list(known)


@pytest.mark.parametrize(("client", "base"), [(TestClient, PlainTestClient), (AsyncTestClient, httpx2.AsyncClient)])
def test_the_members_are_in_the_table(client: type, base: type) -> None:
    own = {name for name in vars(client) if not name.startswith("_")} - INHERITED
    assert sorted(own) == sorted(rows("member"))
    assert [name for name in own if hasattr(base, name)] == []


def test_both_clients_take_the_same_where_they_can() -> None:
    sync, asynchronous = (set(inspect.signature(each).parameters) for each in (TestClient, AsyncTestClient))
    assert sync - asynchronous == {"backend", "backend_options"}
    assert asynchronous <= sync
    for name in rows("member"):
        if inspect.isfunction(of_sync := getattr(TestClient, name)):
            of_async = inspect.signature(getattr(AsyncTestClient, name))
            assert of_async.parameters == inspect.signature(of_sync).parameters, name


def test_the_assertions_are_in_the_table() -> None:
    assert sorted(rows("assertion")) == [name for name in testing.__all__ if name.startswith("assert_")]


def test_pytest_collects_no_client() -> None:
    assert TestClient.__test__ is False
