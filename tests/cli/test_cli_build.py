from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from cli_project import ITEMS, LIVE, RAISES, STATIC, call, execute, spawn
from millpond.config.project.build_output import OUTPUT

if TYPE_CHECKING:
    from ponds import Project


def test_a_build_prints_the_table_the_legend_and_how_much_it_rendered(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/": STATIC, "/items/[id]": ITEMS, "/live": LIVE})
    done = call(project.folder, capsys, "build", "--dir", str(project.folder))
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[:6] == [
        "Route            Revalidate  Expire  Why",
        '┌ ○ /                                dynamic = "force-static" · app/route.py:1',
        "├ ● /items/[id]  1m          1y      revalidate = 60 · app/items/[id]/route.py:1",
        "│ ├   /items/1   1m          1y",
        "│ └   /items/2   1m          1y",
        "└ λ /live                            GET is live by default (compat 16)",
    ]
    assert [line[:1] for line in lines[7:10]] == ["○", "●", "λ"]
    assert lines[-1].startswith("3 paths rendered in ")
    assert (project.folder / OUTPUT).is_dir()


def test_with_json_stdout_is_one_document_whatever_the_project_prints(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    noisy = 'print("imported")\n' + STATIC.replace("    return", '    print("rendered")\n    return')
    project.routes({"/": noisy, "/items/[id]": ITEMS})
    done = call(project.folder, capsys, "build", "--dir", str(project.folder), "--json")
    assert done.facts["routes"]["/"]["glyph"] == "○"
    assert set(done.facts["prerendered"]) == {"/", "/items/1", "/items/2"}
    assert done.facts["dynamic_routes"] == {"/items/[id]": {"fallback": None}}
    assert "imported" in done.err
    assert "rendered" in done.err


def test_a_warning_about_a_route_stands_below_the_table_and_in_json(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/": STATIC + "\n\ndef post(): ...\n"})
    done = call(project.folder, capsys, "build", "--dir", str(project.folder))
    assert done.out.splitlines()[-1].startswith("warning: app/route.py:8: post ")
    done = call(project.folder, capsys, "build", "--dir", str(project.folder), "--json")
    assert len(done.facts["warnings"]) == 1


def test_every_failure_is_told_with_the_users_frames_and_nothing_is_written(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/": STATIC, "/bad": RAISES, "/worse/[id]": ITEMS.replace("return id", "return 1 / 0")})
    done = call(project.folder, capsys, "build", "--dir", str(project.folder))
    assert done.code == 1
    assert done.out == ""
    assert "error: /bad  (app/bad/route.py)" in done.err
    assert "app/bad/route.py:5 in GET" in done.err
    assert "ValueError: no data" in done.err
    assert "/worse/1  (app/worse/[id]/route.py; id = '1')" in done.err
    assert "fastapi" not in done.err
    assert done.err.splitlines()[-1] == "3 of 4 paths failed; nothing was written"
    assert not (project.folder / OUTPUT).exists()


def test_failures_with_json_are_one_document_and_readable_on_stderr(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/items/[id]": ITEMS.replace("return id", "return 1 / 0")})
    done = call(project.folder, capsys, "build", "--dir", str(project.folder), "--json")
    assert done.code == 1
    first = done.facts["errors"][0]
    assert (first["file"], first["path"], first["params"]) == ("app/items/[id]/route.py", "/items/1", {"id": "1"})
    assert "ZeroDivisionError" in first["message"]
    assert "ZeroDivisionError" in done.err


def test_a_project_that_cannot_be_loaded_is_one_error_and_one_document_with_json(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/": "def GET(:\n"})
    done = call(project.folder, capsys, "build", "--dir", str(project.folder), "--json")
    assert done.code == 1
    assert done.facts["errors"][0]["message"].startswith("app/route.py:1: invalid syntax")
    assert done.err.startswith("error: app/route.py:1: invalid syntax")
    assert "Traceback" not in done.err


def test_what_instrumentation_raises_is_told_without_frames_of_libraries(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.routes({"/": STATIC})
    project.write({"instrumentation.py": "def register(app):\n    raise OSError('no collector')\n"})
    done = call(project.folder, capsys, "build", "--dir", str(project.folder))
    assert done.code == 1
    assert "instrumentation.py:2 in register" in done.err
    assert "OSError: no collector" in done.err
    assert "Traceback" not in done.err


SLEEPS = """
import asyncio, time

dynamic = "force-static"


def sleeps():
    time.sleep(60)
"""


@pytest.mark.parametrize(
    "hangs",
    [
        f"{SLEEPS}\n\ndef GET():\n    sleeps()\n",
        f"{SLEEPS}\n\nasync def GET():\n    await asyncio.to_thread(sleeps)\n",
    ],
    ids=["handler", "thread"],
)
def test_a_thread_that_hangs_does_not_keep_the_process_alive(project: Project, hangs: str) -> None:
    project.routes({"/": hangs})
    project.write({"millpond.toml": "[build]\ntimeout = 0.05\n"})
    began = time.monotonic()
    done = execute("build", "--dir", str(project.folder), "--json")
    assert time.monotonic() - began < 20
    assert done.code == 1
    assert "no answer within 0.05 s" in done.facts["errors"][0]["message"]


@pytest.mark.parametrize("waits", ["async def GET():\n    await asyncio.", "def GET():\n    time."])
def test_ctrl_c_ends_a_build_without_a_traceback(project: Project, waits: str) -> None:
    signals = waits.replace("    ", "    print('waiting')\n    ")
    project.routes({"/": f"import asyncio, time\ndynamic = 'force-static'\n\n\n{signals}sleep(60)\n"})
    process = spawn("build", "--dir", str(project.folder), PYTHONUNBUFFERED="1")
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=15)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Traceback" not in err


def test_a_terminal_that_knows_no_dots_is_no_error(project: Project) -> None:
    project.routes({"/": STATIC})
    done = execute("build", "--dir", str(project.folder), PYTHONIOENCODING="ascii")
    assert done.code == 0, done.err
    assert "? /" in done.out
