"""Commands on the application that main.py makes, or another module that is named."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest
from entry_project import MAIN

from cli_project import ITEMS, STATIC, Done, call, execute
from many_workers import Server, started

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ponds import Project

CRON = '[[cron]]\npath = "/cron"\nschedule = "0 0 * * *"\n'
DUE = 'dynamic = "force-dynamic"\n\n\ndef GET(): ...\n'

ELSEWHERE = """\
from millpond import Millpond

print("printed by the module")
site = Millpond("src/site/pages")
"""
"""A module whose application has another folder, and with it another project."""


@pytest.fixture
def site(project: Project) -> Project:
    project.write(
        {
            "shop/__init__.py": "",
            "shop/web.py": ELSEWHERE,
            "src/site/pages/items/[id]/route.py": ITEMS,
            "src/site/pages/route.py": STATIC,
            "src/site/pages/cron/route.py": DUE,
            "src/site/millpond.toml": CRON,
        }
    )
    return project


def command(project: Project, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    return lambda *arguments: call(project.folder, capsys, *arguments, "--dir", str(project.folder))


@pytest.mark.parametrize("named", [["shop.web:site"], ["--app", "shop.web:site"], ["shop/web.py"]])
def test_an_application_of_another_folder_is_built_and_explained(
    site: Project, capsys: pytest.CaptureFixture[str], named: list[str]
) -> None:
    run = command(site, capsys)
    assert [route["pattern"] for route in run("routes", *named, "--json").facts["routes"]] == [
        "/",
        "/cron",
        "/items/[id]",
    ]
    built = run("build", *named, "--json")
    assert built.code == 0
    assert "printed by the module" in built.err
    assert (site.folder / "src" / "site" / ".millpond" / "build").is_dir()
    assert not (site.folder / ".millpond").exists()
    explained = run("explain", *named, "/items/1", "--json").facts
    assert (explained["route"], explained["mode"], explained["cache"]["answer"]) == ("/items/[id]", "fresh", "HIT")


def test_crons_cache_and_invalidations_are_those_of_the_named_application(
    site: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    run, named = command(site, capsys), ["--app", "shop.web:site"]
    assert run("build", *named).code == 0
    assert [cron["path"] for cron in run("cron", "list", *named, "--json").facts["crons"]] == ["/cron"]
    assert run("cron", "run", "/cron", *named, "--json").facts["outcome"] == "ok"
    listed = run("cache", "ls", *named, "--json").facts["entries"]
    assert {entry["path"] for entry in listed} >= {"/items/1", "/items/2"}
    done = run("revalidate", "--path", "/items/1", "--path", "/nothing", *named)
    assert done.out == "2 paths invalidated; the generation is 1\n"
    assert 'no route has the path "/nothing"' in done.err
    assert run("cache", "purge", "--all", *named).code == 0


def test_a_cache_is_looked_into_without_the_application(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.write({"main.py": MAIN, "app/cron/route.py": DUE, "millpond.toml": CRON})
    run = command(project, capsys)
    assert [run(*arguments).code for arguments in (["build"], ["cron", "run", "/cron"])] == [0, 0]
    project.write({"main.py": "raise RuntimeError('an environment that this shell lacks')\n"})
    assert run("cache", "ls").code == 0
    assert run("revalidate", "--tag", "x").code == 0
    assert run("routes").code == 1


@pytest.mark.parametrize("command", ["build", "start", "routes", "openapi"])
@pytest.mark.parametrize("option", [[], ["--app"]])
def test_what_is_wrong_with_the_application_ends_each_command_but_dev(
    project: Project, capsys: pytest.CaptureFixture[str], command: str, option: list[str]
) -> None:
    project.write({"main.py": MAIN, "app/route.py": STATIC})
    done = call(project.folder, capsys, command, *option, "main:ap", "--dir", str(project.folder))
    assert (done.code, done.out) == (1, "")
    assert done.err == 'error: main.py has no "ap". Did you mean "main:app"?\n'


@pytest.mark.parametrize("command", ["build", "start", "routes", "openapi", "explain"])
def test_an_application_is_named_once(project: Project, capsys: pytest.CaptureFixture[str], command: str) -> None:
    path = ["/"] if command == "explain" else []
    done = call(project.folder, capsys, command, "main:app", *path, "--app", "shop:app", "--dir", str(project.folder))
    assert (done.code, done.err) == (2, "error: name one application: main:app, or --app shop:app.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a path: millpond explain /"),
        (["main:app"], "give a path: millpond explain main:app /"),
        (["/", "main:app"], "give one path, and before it at most the application: millpond explain main:app /"),
        (["main:app", "/", "/x"], "give one path, and before it at most the application: millpond explain main:app /"),
    ],
)
def test_explain_wants_one_path_and_takes_an_application_before_it(
    project: Project, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    done = call(project.folder, capsys, "explain", *arguments, "--dir", str(project.folder))
    assert (done.code, done.err) == (2, f"error: {message}\n")


DECLARED = """\
import functools

from fastapi import APIRouter, FastAPI, WebSocket

from millpond import Millpond


class Form:
    async def __call__(self) -> int:
        return 1


def logged(function):
    @functools.wraps(function)
    def call(*given, **named):
        return function(*given, **named)

    return call


router = APIRouter(prefix="/orders")


@router.get("/{number}")
@logged
def order(number: int) -> int:
    return number


app = Millpond()
app.include_router(router, prefix="/api")
app.add_api_route("/form", Form(), methods=["POST", "GET"])
app.mount("/old", FastAPI())


@app.websocket("/ws")
async def talk(socket: WebSocket) -> None: ...
"""


def test_routes_that_code_declares_are_listed_beside_those_of_files(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write({"main.py": DECLARED, "app/route.py": STATIC})
    listed = command(project, capsys)("routes", "--json").facts["routes"]
    own = [route for route in listed if route["by"] == "code"]
    assert [route["pattern"] for route in listed if route["by"] == "file"] == ["/"]
    assert all((route["mode"], route["glyph"]) == ("live", "λ") for route in own)
    assert [(route["pattern"], route["methods"], route["file"], route["place"], route["why"]) for route in own] == [
        ("/api/orders/{number}", ["GET"], "main.py", "main.py:24", "declared in code"),
        ("/form", ["GET", "POST"], "main", None, "declared in code"),
        ("/old", [], "fastapi.applications", None, "mounted: FastAPI"),
        ("/ws", ["WebSocket"], "main.py", "main.py:36", "declared in code"),
    ]
    assert "λ /api/orders/{number}  GET" in command(project, capsys)("routes").out


@pytest.mark.parametrize(
    ("path", "route", "file", "status", "rule"),
    [
        ("/api/orders/7", "/api/orders/{number}", "main.py", None, "declared in code"),
        ("/old/x", "/old", "fastapi.applications", None, "declared in code"),
        ("/docs", "/docs", None, None, "FastAPI's own"),
        ("/paid", "/paid", "main.py", 405, "405 for GET: "),
        ("/api/orders", None, None, 404, "no route matches the path"),
        ("/", "/", "app/route.py", None, "one answer for everybody"),
    ],
)
@pytest.mark.parametrize("base_path", ["", "/shop"])
def test_a_route_that_code_declares_is_explained_with_its_place(
    project: Project,
    capsys: pytest.CaptureFixture[str],
    path: str,
    route: str | None,
    file: str | None,
    status: int | None,
    rule: str,
    base_path: str,
) -> None:
    paid = "\n\n@app.post('/paid')\ndef pay(): ...\n"
    config = f'base_path = "{base_path}"\n'
    project.write({"main.py": DECLARED + paid, "app/route.py": STATIC, "millpond.toml": config})
    facts = command(project, capsys)("explain", f"{base_path}{path}", "--json").facts
    assert (facts["route"], facts["file"], facts["status"]) == (route, file, status)
    assert rule in facts["rule"]
    in_code = file == "main.py"
    assert (facts["why"] == "declared in code", str(facts["place"]).startswith("main.py:")) == (in_code, in_code)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_application_without_route_files_needs_no_build(project: Project, workers: int) -> None:
    project.write({"main.py": DECLARED})
    with started(project, workers) as server:
        assert server.get("/api/orders/7").json() == 7
        logged = server.end(signal.SIGTERM)
    assert server.process.returncode == 0
    assert {line["level"] for line in logged} == {"info"}


def test_a_note_about_the_application_is_told_and_is_no_part_of_the_result(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    mounts = "from fastapi import FastAPI\n\napp = FastAPI()\napp.mount('/shop', Millpond('pages'))\n"
    project.write({"main.py": f"from millpond import Millpond\n{mounts}", "pages/route.py": STATIC})
    done = command(project, capsys)("routes", "--json")
    assert [route["pattern"] for route in done.facts["routes"]] == ["/"]
    assert "warning: main:app isn't a Millpond but a FastAPI application." in done.err


def test_a_command_leaves_its_caller_in_the_same_folder(
    project: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    project.write({"main.py": MAIN, "app/route.py": STATIC})
    done = call(project.folder, capsys, "routes", "--dir", project.folder.name, "--json")
    assert [route["pattern"] for route in done.facts["routes"]] == ["/"]
    assert tmp_path.samefile(".")


def test_a_command_runs_in_a_folder_that_was_removed(
    project: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write({"main.py": MAIN, "app/route.py": STATIC})
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert call(project.folder, capsys, "routes", "--dir", str(project.folder)).code == 0


def test_a_main_py_that_starts_a_server_when_it_is_run_is_only_imported(project: Project) -> None:
    project.write(
        {
            "main.py": f"{MAIN}\nif __name__ == '__main__':\n    import uvicorn\n\n    uvicorn.run(app)\n",
            "app/route.py": STATIC,
        }
    )
    assert execute("build", "--dir", str(project.folder)).code == 0


@pytest.fixture
def served_site(site: Project, capsys: pytest.CaptureFixture[str]) -> Project:
    assert command(site, capsys)("build", "shop.web:site").code == 0
    return site


def answers(server: Server) -> list[str | None]:
    return [server.get(path).headers.get("x-nextjs-cache") for path in ("/", "/items/1", "/items/7", "/items/7")]


def test_start_serves_a_named_application_by_one_process(served_site: Project) -> None:
    with started(served_site, 1, "shop.web:site") as server:
        assert answers(server) == ["HIT", "HIT", "MISS", "HIT"]
        server.end(signal.SIGTERM)
    assert server.process.returncode == 0


def test_each_worker_imports_the_application_itself(served_site: Project) -> None:
    served_site.write(
        {
            "shop/web.py": f"import os\n{ELSEWHERE}\nwith open('pids', 'a') as it:\n    print(os.getpid(), file=it)\n",
            "src/site/millpond.toml": "[server]\nworker_timeout = 20\n",
            "millpond.toml": 'compat = "14"\n[server]\nworker_timeout = 10\n',
        }
    )
    with started(served_site, 2, "shop.web:site") as server:
        assert len({*(served_site.folder / "pids").read_text("utf-8").split()} - {str(server.process.pid)}) == 2
        assert answers(server)[:3] == ["HIT", "HIT", "MISS"]
        logged = server.end(signal.SIGTERM)
    assert server.process.returncode == 0
    warned = [line["message"] for line in logged if line["level"] == "warning"]
    assert warned == [
        f"the project of this application is {served_site.folder}/src/site: in {served_site.folder} only [app] is read"
    ]


def test_workers_whose_application_keeps_its_cache_in_memory_are_refused(project: Project) -> None:
    main = "from millpond import Millpond\nfrom millpond.config import parse_config\n\n"
    config = "parse_config({'cache': {'store': 'memory'}}, 'main.py')"
    project.write({"main.py": f"{main}app = Millpond(config={config})\n", "app/route.py": STATIC})
    assert execute("build", "--dir", str(project.folder)).code == 0
    done = execute("start", "--dir", str(project.folder), "--port", "0", "--workers", "2")
    assert done.code == 1
    assert done.err.count("several workers can't be used with") == 1


def test_an_application_that_is_installed_needs_no_main_py(project: Project, tmp_path: Path) -> None:
    installed = tmp_path / "elsewhere"
    installed.mkdir()
    (installed / "shop_of_a_package.py").write_text(f"{MAIN}\n", "utf-8")
    project.write({"app/route.py": STATIC})
    done = execute(
        "routes",
        "shop_of_a_package:app",
        "--dir",
        str(project.folder),
        "--json",
        PYTHONPATH=":".join([*sys.path, str(installed)]),
    )
    assert [route["pattern"] for route in done.facts["routes"]] == ["/"]
