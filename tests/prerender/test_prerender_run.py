"""A build as a whole: side by side, all failures, the time limit, progress."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio


async def test_paths_are_rendered_side_by_side_up_to_the_limit(project: Project) -> None:
    project.routes(
        {
            "/[id]": """
            import asyncio
            now = most = 0
            def generate_static_params(): return [{"id": str(n)} for n in range(20)]
            async def GET(id):
                global now, most
                now += 1
                most = max(most, now)
                for _ in range(5):
                    await asyncio.sleep(0)
                now -= 1
            """
        }
    )
    pond = project.pond(build={"concurrency": 3})
    assert (await pond.build()).failures == []
    assert pond.file_routes[0].module.module.most == 3


async def test_progress_counts_every_path(project: Project) -> None:
    project.routes(
        {
            "/": "revalidate = 60\ndef GET(): return 1\n",
            "/live": "def GET(): return 1\n",
            "/[id]": "def generate_static_params(): return [{'id': 'a'}, {'id': 'b'}]\ndef GET(id): return id\n",
        }
    )
    told: list[tuple[int, int]] = []
    await project.pond().build(lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


async def test_every_failure_of_every_route_is_reported_and_nothing_is_written(project: Project) -> None:
    project.write({"pricing.py": "def price(id):\n    return {'a': 1}[id]\n"})
    project.routes(
        {
            "/": "revalidate = 60\ndef GET(): return 1 / 0\n",
            "/fine": "revalidate = 60\ndef GET(): return 1\n",
            "/[id]": """
                from pricing import price
                def generate_static_params(): return [{"id": "a"}, {"id": "b"}, {"id": "c/d"}]
                def GET(id): return price(id)
                """,
            "/listing/[id]": "def generate_static_params(): raise OSError('no list')\ndef GET(id): return 1\n",
            "/listed/[id]": "def generate_static_params(): return [{'id': 7}]\ndef GET(id): return 1\n",
        }
    )
    failures = await project.failures()
    assert len(failures) == 5
    by_head = {failure.splitlines()[0]: failure for failure in failures}
    assert set(by_head) == {
        "/  (app/route.py)",
        "/b  (app/[id]/route.py; id = 'b')",
        "/c%2Fd  (app/[id]/route.py; id = 'c/d')",
        "app/listing/[id]/route.py",
        "app/listed/[id]/route.py",
    }
    lines = by_head["/b  (app/[id]/route.py; id = 'b')"].splitlines()
    assert lines[1].startswith("  … ")
    assert lines[1].endswith(" frames of Millpond, FastAPI and libraries")
    assert lines[2:] == [
        "  app/[id]/route.py:4 in GET",
        "      def GET(id): return price(id)",
        "  pricing.py:2 in price",
        "      return {'a': 1}[id]",
        "  KeyError: 'b'",
    ]
    assert "OSError: no list" in by_head["app/listing/[id]/route.py"]
    assert 'has a value of type int for "id"' in by_head["app/listed/[id]/route.py"]
    assert not (project.folder / ".millpond").exists()


@pytest.mark.parametrize(
    "raised", ["asyncio.CancelledError", "SystemExit(3)", "BaseException", "BaseExceptionGroup('', [SystemExit()])"]
)
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_nothing_that_a_handler_raises_ends_the_build(project: Project, raised: str, kind: str) -> None:
    project.routes(
        {
            "/": f"import asyncio\nrevalidate = 60\n{kind} GET(): raise {raised}\n",
            "/stream": "from millpond import StreamingResponse, redirect\nrevalidate = 60\n"
            "def body():\n    yield 'a'\n    redirect('/b')\ndef GET(): return StreamingResponse(body())\n",
        }
    )
    failures = await project.failures()
    assert len(failures) == 2
    assert "app/route.py:3 in GET" in failures[0]
    assert "app/stream/route.py:5 in body" in failures[1]


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_an_exit_in_a_list_of_parameters_fails_its_route_only(project: Project, kind: str) -> None:
    listing = f"import sys\nrevalidate = 60\n{kind} generate_static_params(): sys.exit(3)\ndef GET(id): return id\n"
    project.routes({"/[id]": listing, "/": "revalidate = 60\ndef GET(): raise OSError\n"})
    failures = await project.failures()
    assert len(failures) == 2
    assert "generate_static_params raised SystemExit: 3" in "".join(failures)


async def test_a_path_that_takes_too_long_is_tried_three_times_and_fails(project: Project) -> None:
    project.routes(
        {
            "/slow": """
            import asyncio
            revalidate = 60
            tries = 0
            async def GET():
                global tries
                tries += 1
                await asyncio.Event().wait()
            """,
            "/third": """
            import asyncio
            revalidate = 60
            tries = 0
            async def GET():
                global tries
                tries += 1
                if tries < 3:
                    await asyncio.Event().wait()
                return tries
            """,
        }
    )
    pond = project.pond(build={"timeout": 0.02})
    built = await pond.build()
    (failure,) = built.failures
    assert str(failure).splitlines() == [
        "/slow  (app/slow/route.py)",
        "  no answer within 0.02 s, in 3 tries; make the handler quicker, raise [build] timeout, "
        'or make the route live with dynamic = "force-dynamic".',
    ]
    assert [route.module.module.tries for route in pond.file_routes] == [3, 3]


async def test_a_broken_after_callback_fails_no_build(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    source = "from millpond import after\nrevalidate = 60\ndef broken(): raise OSError('callback')\n"
    source += "def GET(): after(broken)\n"
    project.routes({"/": source})
    assert (await project.built())["/"].glyph == "○"
    assert "OSError: callback" in caplog.text


async def test_warnings_of_route_files_come_with_the_build(project: Project) -> None:
    project.routes({"/": "def get(): return 1\n"})
    (first, second) = (await project.build()).warnings
    assert first == "app/route.py:1: get answers no requests; write GET."
    assert "no method is defined" in second


async def test_methods_other_than_get_are_never_run_at_build(project: Project) -> None:
    methods = ("HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
    source = "revalidate = 60\nruns = []\ndef GET(): runs.append('GET')\n"
    project.routes({"/": source + "".join(f"def {method}(): runs.append('{method}')\n" for method in methods)})
    pond = project.pond()
    await pond.build()
    assert pond.file_routes[0].module.module.runs == ["GET"]


async def test_request_data_in_generate_static_params_is_a_failure_that_says_so(project: Project) -> None:
    source = "from millpond import cookies\ndef generate_static_params(): return cookies()\ndef GET(id): return id\n"
    project.routes({"/[id]": source})
    (failure,) = await project.failures()
    assert "cookies() works while a route handler runs, and none does here" in failure


async def test_a_build_that_is_interrupted_leaves_no_task_behind(project: Project) -> None:
    project.routes({"/": "import asyncio\nrevalidate = 60\nasync def GET(): await asyncio.Event().wait()\n"})
    pond = project.pond()
    building = asyncio.create_task(pond.build())
    await asyncio.sleep(0.01)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert not (project.folder / ".millpond").exists()


async def test_a_listed_path_that_no_server_would_answer_is_a_failure(project: Project) -> None:
    listed = "def generate_static_params(): return [{'path': ['a'] * number} for number in (2, 3, 4)]"
    project.routes({"/[...path]": f"{listed}\ndef GET(path: list[str]): return len(path)\n"})
    (failure,) = await project.failures(server={"max_path_segments": 2})
    assert "a path of 3 segments, and a server answers 414 to more than 2; raise [server] max_path_segments" in failure
    assert "/[...path]" in (await project.built(server={"max_path_segments": 4}))
