"""QUERY at the socket: workers share its answers, in the embedded store and in a shared one."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from cli_project import call, execute
from engines import Engine
from many_workers import PATIENCE, PID, started

if TYPE_CHECKING:
    from ponds import Project

SEARCH = """
from typing import Any

from fastapi import Body
from millpond import revalidate_path

revalidate = 60
cache_query_body = True


def QUERY(asked: Any = Body()):
    return {"asked": asked}


def DELETE():
    revalidate_path("/search")
"""


@pytest.mark.parametrize("store", ["lmdb", "valkey"])
def test_workers_share_the_answers_to_each_body(
    project: Project, capsys: pytest.CaptureFixture[str], store: str
) -> None:
    project.routes({"/search": SEARCH, "/pid": PID})
    with ExitStack() as stack:
        url = store if store == "lmdb" else stack.enter_context(Engine()).url
        project.write({"millpond.toml": f'[cache]\nstore = "{url}"\n'})
        assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
        server = stack.enter_context(started(project))
        server.pids(2)
        limits = httpx2.Limits(max_keepalive_connections=0)  # any worker may take the next
        client = stack.enter_context(
            httpx2.Client(base_url=server.address, trust_env=False, timeout=PATIENCE, limits=limits)
        )

        def asked(body: Any) -> str | None:
            answer = client.request("QUERY", "/search", json=body)
            assert answer.json() == {"asked": body}
            return answer.headers.get("x-nextjs-cache")

        for expected in ("MISS", *["HIT"] * 5):
            assert [asked(body) for body in ("a", ["a"], {"a": 1})] == [expected] * 3
        assert client.delete("/search").status_code == 200
        for expected in ("MISS", *["HIT"] * 5):
            assert [asked(body) for body in ("a", ["a"], {"a": 1})] == [expected] * 3
    if store == "lmdb":
        listed = execute("cache", "ls", "--dir", str(project.folder), "--json").facts["entries"]
        assert [(each["method"], each["path"]) for each in listed] == [("QUERY", "/search")] * 3
        assert "QUERY /search" in execute("cache", "ls", "--dir", str(project.folder)).out


def test_the_socket_parses_it_and_refuses_what_is_no_method(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/search": SEARCH})
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    with started(project, 1) as server, httpx2.Client(base_url=server.address, trust_env=False) as client:
        for _ in range(3):
            assert client.request("QUERY", "/search", json=[1]).json() == {"asked": [1]}
            assert client.request("QUERY", "/search", content=iter([b"[", b"1]"]), headers=KIND).json() == {
                "asked": [1]
            }
            assert client.get("/search").status_code == 405
        assert client.request("BREW", "/search").status_code == 400
        lines = server.end()
    (first, *_) = [line for line in lines if line["logger"] == "millpond.access" and line["method"] == "QUERY"]
    assert (first["path"], first["status"], first["cache"]) == ("/search", 200, "MISS")


KIND = {"content-type": "application/json"}
