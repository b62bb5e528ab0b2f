from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from cli_project import ITEMS, STATIC, call, execute
from many_workers import PATIENCE, PID, is_running, started, until

if TYPE_CHECKING:
    from ponds import Project


@pytest.fixture
def built(project: Project, capsys: pytest.CaptureFixture[str]) -> Project:
    project.routes({"/items/[id]": ITEMS, "/pid": PID})
    build(project, capsys)
    return project


def build(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0


def test_workers_share_a_port_and_a_cache_and_end_together(built: Project) -> None:
    with started(built) as server:
        pids = server.pids(2)
        assert server.get("/items/1").headers["x-nextjs-cache"] == "HIT"
        assert server.get("/items/7").headers["x-nextjs-cache"] == "MISS"
        assert [server.get("/items/7").headers["x-nextjs-cache"] for _ in range(6)] == ["HIT"] * 6
        listed = execute("cache", "ls", "--dir", str(built.folder), "--json")
        logged = server.end(signal.SIGTERM)
    assert server.process.returncode == 0
    assert not any(is_running(pid) for pid in pids)
    assert {entry["path"] for entry in listed.facts["entries"]} == {"/items/1", "/items/2", "/items/7"}
    assert {line["worker"] for line in logged if line["logger"] == "millpond.access"} == pids
    assert {line["level"] for line in logged} == {"info"}


def test_a_replacement_that_cant_start_leaves_the_others_alone_and_is_tried_again(built: Project) -> None:
    with started(built) as server:
        before = server.pids(2)
        route = built.folder / "app" / "pid" / "route.py"
        route.write_text("def GET(:\n", "utf-8")
        os.kill(min(before), signal.SIGKILL)
        until(lambda: any(line.startswith("error: ") and "app/pid/route.py" in line for line in server.said))
        assert server.pids(1) == {max(before)}
        route.write_text(PID, "utf-8")
        assert max(before) in server.pids(2)
        logged = server.end(signal.SIGINT)
    assert server.process.returncode == 0
    assert any("can't start (it ended with exit code 1)" in line["message"] for line in logged)


def test_sighup_takes_over_a_new_build_without_a_request_that_fails(
    built: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    with started(built) as server:
        before = server.pids(2)
        built.routes({"/items/[id]": ITEMS.replace("return id", "return 'new'")})
        build(built, capsys)
        assert server.get("/items/1").json() == "1"
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.get("/items/1").status_code == 200 and not any(map(is_running, before)))
        assert len(server.pids(2) | before) == 4
        assert {server.get("/items/1").json() for _ in range(8)} == {"new"}
        server.end()
    assert server.process.returncode == 0


def test_what_keeps_the_application_from_starting_is_said_once(built: Project) -> None:
    built.write({"instrumentation.py": "def register(app):\n    raise RuntimeError('no database')\n"})
    done = execute("start", "--dir", str(built.folder), "--port", "0", "--workers", "3")
    assert done.code == 1
    assert done.err.count("RuntimeError: no database") == 1
    assert done.err.startswith("error: the project's own code failed:")


def test_workers_without_a_parent_end(built: Project) -> None:
    with started(built) as server:
        pids = server.pids(2)
        server.process.kill()
        server.process.wait(PATIENCE)
        until(lambda: not any(map(is_running, pids)))


@pytest.mark.parametrize(
    ("config", "built_first", "message"),
    [
        ('[cache]\nstore = "memory"\n', True, 'can\'t be used with [cache] store = "memory"'),
        ("", False, "run `millpond build` first"),
        ('[cache]\nstore = "disk"\n', False, '"cache.store" is "disk"; it must be "lmdb" or "memory", or a URL'),
    ],
)
def test_what_cant_work_is_said_once_by_the_first_worker(
    project: Project, capsys: pytest.CaptureFixture[str], config: str, built_first: bool, message: str
) -> None:
    project.routes({"/": STATIC})
    if built_first:
        build(project, capsys)
    project.write({"millpond.toml": config})
    done = execute("start", "--dir", str(project.folder), "--workers", "2", "--port", "0")
    assert done.code == 1
    assert message in done.err
    assert done.err.count("\n") == 1


def test_one_worker_may_keep_its_cache_in_memory(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/items/[id]": ITEMS, "/pid": PID})
    build(project, capsys)
    project.write({"millpond.toml": '[cache]\nstore = "memory"\n'})
    with started(project, workers=1) as server:
        assert server.get("/items/1").headers["x-nextjs-cache"] == "HIT"
        server.end()
    assert not (project.folder / ".millpond" / "cache").exists()


def test_no_workers_at_all_are_refused(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(project.folder, capsys, "start", "--dir", str(project.folder), "--workers", "0")
    assert done.code == 2
    assert "--workers" in done.err


TENANTS = """
from millpond import Millpond

app = Millpond("app")


@app.middleware("http")
async def by_host(request, call_next):
    tenant = request.headers["host"].split(".")[0]
    request.scope["path"] = f"/{tenant}{request.scope['path']}"
    return await call_next(request)
"""


def test_workers_with_one_cache_tell_the_tenants_of_one_path_apart(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/[tenant]/[page]": "revalidate = 60\ndef GET(tenant, page): return [tenant, page]\n"})
    project.write({"app/[tenant]/pid/route.py": PID, "main.py": TENANTS, "millpond.toml": '[cache]\nstore = "lmdb"\n'})
    build(project, capsys)
    with started(project) as server:
        server.pids(2)
        for expected in ("MISS", *["HIT"] * 8):
            for tenant in ("one", "two"):
                answer = server.get("/a%2Fb", headers={"host": f"{tenant}.example"})
                assert (answer.json(), answer.headers["x-nextjs-cache"]) == ([tenant, "a/b"], expected)
