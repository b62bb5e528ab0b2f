"""A build by several processes: what one process makes, whoever renders it; and how it ends when one of them does."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from typing import TYPE_CHECKING

import pytest
from shared_builds import SharedBuild, SharedProject

import millpond.app.builder
from millpond.cli.build import TakePart
from millpond.cli.project import open_project
from millpond.config import Entrypoint
from millpond.errors import StoreError
from millpond.prerender.sharing import crew
from millpond.prerender.sharing.crew import BuildProcesses
from millpond.stores.build_store import BuildStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGES = """
    from meeting import note
    import os
    from parts import part, in_place

    def generate_static_params():
        note("listed")
        return [{"id": str(n)} for n in range(12)]

    async def GET(id):
        from lazily import text
        n = int(id)
        many = [await part(n % 3), in_place(0)]
        return {"id": id, "many": many, "text": text(), "city": os.environ.get("CITY")}
"""
PARTS = """
    import os, select
    from meeting import note
    from millpond import cache_life, cache_tag, cached

    @cached
    async def part(n):
        cache_tag("parts")
        cache_life("days")
        note(f"part-{n}")
        return os.environ.get("TOWN"), n

    @cached
    def in_place(n):
        cache_life("days")
        note(f"in-place-{n}")
        select.select((), (), (), 0.3)  # long enough for the other process to ask for it, too
        return n

    @cached
    def in_thread(n):
        cache_life("days")
        note(f"in-thread-{n}")
        return n
"""
FILES = {
    "app/[id]/route.py": PAGES,
    "app/read/route.py": "from fastapi import Request\nasync def GET(request: Request):\n    return request.url.path\n",
    "app/a/[id]/route.py": """
        import importlib
        from meeting import is_second, meet
        from parts import in_thread
        frozen_ok = ("env:PROCESSES",)
        revalidate = 60
        def generate_static_params():
            return [{"id": str(n)} for n in range(6)]
        def GET(id):  # the first that are rendered: they wait in threads, so that no event loop is blocked
            meet()
            importlib.import_module("second" if is_second() else "first")
            return in_thread(int(id) % 3)
    """,
    "parts.py": PARTS,
    "lazily.py": """
        from pathlib import Path
        def text():
            return (Path(__file__).parent / "templates" / "a.html").read_text("utf-8")
    """,
    "templates/a.html": "<p>",
    "first.py": "",
    "second.py": "",
}
CLASSIC = {
    "millpond.toml": 'compat = "15"',
    "app/one/route.py": """
        from parts import part
        dynamic = "force-static"
        async def GET():
            return await part(0)
    """,
    "app/closed/[id]/route.py": """
        from fastapi import Request
        dynamic_params = False
        def generate_static_params():
            return [{"id": "a"}]
        async def GET(request: Request):
            return request.headers["a"]
    """,
}
COMPONENTS = {
    "millpond.toml": 'compat = "16"\ncache_components = true',
    "app/a/[id]/route.py": FILES["app/a/[id]/route.py"].replace("revalidate = 60", ""),
}
FILLS = sorted(["in-place-0", *(f"{kind}-{n}" for kind in ("part", "in-thread") for n in range(3))])


pytestmark = pytest.mark.anyio


@pytest.fixture
def shared(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> SharedProject:
    monkeypatch.setenv("CITY", "Ulm")
    return SharedProject(tmp_path, capsys, monkeypatch)


@pytest.fixture
def leftovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], set[Path]]:
    """The folders that the test's builds have left behind."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))  # for commands
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return lambda: set(folder.glob("millpond-build-*"))


def assert_same(one: SharedBuild, two: SharedBuild) -> None:
    assert (one.done.code, one.rendered_by) == (0, 1), one.done.err
    assert (two.done.code, two.rendered_by) == (0, 2), two.done.err
    assert two.manifest == one.manifest
    assert two.entries == one.entries
    assert two.report == one.report


@pytest.mark.parametrize("files", [CLASSIC, COMPONENTS], ids=["classic", "components"])
def test_two_processes_make_the_same_build_and_fetch_everything_once(
    shared: SharedProject, files: dict[str, str], leftovers: Callable[[], set[Path]]
) -> None:
    shared.write({**FILES, **files})
    one, two = shared.build(1), shared.build(2)
    assert_same(one, two)
    assert one.noted == two.noted
    assert [what for what in two.noted if what != "listed"] == FILLS
    assert two.done.facts["functions"]
    assert {"parts.py", "lazily.py", "first.py", "templates/a.html"} <= one.sources
    assert two.sources - one.sources == {"second.py"}
    assert not leftovers()


def test_failures_and_lost_bodies_are_told_in_the_order_of_the_pages(
    shared: SharedProject,
) -> None:
    shared.write(
        {
            "app/[id]/route.py": """
                from fastapi import Response
                from meeting import meet
                dynamic = "force-static"
                def generate_static_params(): return [{"id": str(n)} for n in range(12)]
                async def GET(id):
                    meet()
                    return Response(b"lost", status_code=204) if int(id) % 2 else {}[id]
            """
        }
    )
    one = shared.build(1)
    two = shared.build(2)
    assert (one.done.code, two.done.code, two.rendered_by) == (1, 1, 2)
    assert len(two.report["errors"]) == 6
    assert two.report == one.report
    lost, lost_by_two = (re.findall("the answer of .* allows no body", build.done.err) for build in (one, two))
    assert lost == lost_by_two == ["the answer of /1 has the status 204, which allows no body"]


@pytest.mark.parametrize(
    ("ending", "why"),
    [
        ("os._exit(7)", "its exit code is 7"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "it was ended by SIGKILL"),
    ],
)
def test_a_process_that_ends_ends_the_build_which_says_what_it_rendered(
    shared: SharedProject, ending: str, why: str, leftovers: Callable[[], set[Path]]
) -> None:
    shared.write(
        {
            "app/[id]/route.py": f"""
                import os, signal
                from meeting import meet, is_second
                dynamic = "force-static"
                def generate_static_params(): return [{{"id": str(n)}} for n in range(8)]
                async def GET(id):
                    meet()
                    if is_second():
                        {ending}
            """,
            "millpond.toml": "[build]\nconcurrency = 2\n",
        }
    )
    done = shared.build(2).done
    assert done.code == 1
    (error,) = done.facts["errors"]
    assert error["message"].startswith("a process of the build ended while it rendered /")
    assert error["message"].endswith(f": {why}. Nothing was written.")
    assert f"error: {error['message']}\n" in done.err
    assert not (shared.folder / ".millpond").exists()
    assert not leftovers()


def test_a_process_that_cannot_start_is_done_without(shared: SharedProject) -> None:
    shared.write(
        {
            "app/[id]/route.py": """
                import asyncio
                from meeting import HERE
                dynamic = "force-static"
                def generate_static_params(): return [{"id": str(n)} for n in range(8)]
                async def GET(id):
                    while not (HERE / "noted").read_text():
                        await asyncio.sleep(0.01)
            """,
            "main.py": """
                import contextlib, os
                from meeting import note
                from millpond import Millpond

                @contextlib.asynccontextmanager
                async def lifespan(app):
                    if os.environ["FIRST"] != str(os.getpid()):
                        note("refused")
                        raise OSError("the database is locked")
                    yield

                app = Millpond(lifespan=lifespan)
            """,
            "millpond.toml": "[build]\nconcurrency = 2\n",
        }
    )
    two = shared.build(2)
    assert two.done.code == 0, two.done.err
    assert two.noted == ["refused"]
    (warning,) = two.report["warnings"]
    assert warning.startswith("a further process of the build couldn't start, so the build went on without it: ")
    assert "OSError: the database is locked" in warning


def test_a_process_ends_by_itself_whatever_threads_the_project_has(shared: SharedProject) -> None:
    shared.write(
        {
            "app/[id]/route.py": """
                from meeting import meet
                dynamic = "force-static"
                def generate_static_params(): return [{"id": str(n)} for n in range(8)]
                def GET(id): return meet()
            """,
            "instrumentation.py": """
                import threading
                from meeting import is_second
                def register(app):
                    if is_second():
                        threading.Thread(target=threading.Event().wait).start()
            """,
            "millpond.toml": "[build]\nconcurrency = 2\n",
        }
    )
    ends, end = list[int | None](), crew._Process.end

    def noted(process: crew._Process, seconds: float) -> None:
        end(process, seconds)
        ends.append(process._process.exitcode)

    shared.monkeypatch.setattr(crew._Process, "end", noted)
    two = shared.build(2)
    assert (two.done.code, two.rendered_by, ends) == (0, 2, [0]), two.done.err


def test_where_no_store_can_be_shared_one_process_builds(shared: SharedProject) -> None:
    async def refuse(store: BuildStore) -> None:
        del store
        raise StoreError("the store in /nfs can't be used.")

    shared.write({"app/route.py": "dynamic = 'force-static'\ndef GET(): return 1\n"})
    shared.monkeypatch.setattr(BuildStore, "open", refuse)
    done = shared.build(2).done
    assert done.code == 0
    assert "the build has one process, as others couldn't share its data: the store in /nfs can't be used." in done.err
    shared.monkeypatch.setattr(millpond.app.builder, "can_share", lambda: False)  # as on Windows
    done = shared.build(2).done
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("files", [CLASSIC, COMPONENTS], ids=["classic", "components"])
async def test_a_build_that_is_interrupted_ends_its_processes(
    shared: SharedProject, files: dict[str, str], leftovers: Callable[[], set[Path]]
) -> None:
    shared.write(
        {
            "app/[id]/route.py": """
                import asyncio, os
                from meeting import HERE, is_second, meet
                revalidate = 60
                def generate_static_params(): return [{"id": str(n)} for n in range(8)]
                async def GET(id):
                    meet()
                    if is_second():
                        (HERE / "pid").write_text(str(os.getpid()))
                        while True: pass
                    await asyncio.sleep(60)
            """.replace("revalidate = 60", "revalidate = 60" if files is CLASSIC else ""),
            "millpond.toml": files["millpond.toml"],
        }
    )
    shared.monkeypatch.setenv("FIRST", str(os.getpid()))
    shared.monkeypatch.setenv("PROCESSES", "2")
    shared.monkeypatch.chdir(shared.folder)
    entrypoint = Entrypoint(shared.folder)
    app = open_project(entrypoint)
    processes = BuildProcesses(2, TakePart(entrypoint), how_many=lambda *_: 2)
    building = asyncio.create_task(app.builder().run(lambda done, total: None, processes))
    pid = shared.folder / "pid"
    while not (pid.exists() and pid.read_text("utf-8")):
        assert not building.done()
        await asyncio.sleep(0.01)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text("utf-8")), 0)
    assert not leftovers()
    assert not (shared.folder / ".millpond").exists()
