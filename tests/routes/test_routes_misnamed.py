"""Files that look like routes and are none: a hint for each, and none for a project's own modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli_project import LIVE, call

if TYPE_CHECKING:
    from pathlib import Path

    from ponds import Project

HANDLER = "async def GET():\n    return 1\n"
ROUTER = "from fastapi import APIRouter\nrouter = APIRouter()\n"


def hints(project: Project, capsys: pytest.CaptureFixture[str]) -> list[str]:
    done = call(project.folder, capsys, "routes", "--dir", str(project.folder), "--json")
    assert done.code == 0, done.err
    warnings: list[str] = done.facts["warnings"]
    return [warning for warning in warnings if "there is no build" not in warning]


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("file", "text", "remedy"),
    [
        ("app/Route.py", HANDLER, "rename it to route.py"),
        ("app/api/ROUTE.PY", HANDLER, "rename it to route.py"),
        ("app/api/route", HANDLER, "rename it to route.py"),
        ("app/routes.py", ROUTER, "rename it to route.py, or import it where its router is included"),
        ("app/api/page.py", "", "a page is a route whose GET returns HTML; write app/api/route.py"),
        ("app/layout.py", "", "there are no layouts; write app/route.py"),
        ("app/route.ts", "", "only Python files are; write app/route.py"),
        ("app/a/page.tsx", "", "only Python files are; write app/a/route.py"),
        (
            "app/users.py",
            HANDLER,
            "it defines GET, and only files called route.py answer; move it to app/users/route.py",
        ),
        (
            "app/users/index.py",
            "def  POST(x): ...",
            "it defines POST, and only files called route.py answer; move it to app/users/route.py",
        ),
    ],
)
def test_a_name_from_elsewhere_gets_a_hint(
    project: Project, capsys: pytest.CaptureFixture[str], file: str, text: str, remedy: str
) -> None:
    project.routes({"/live": LIVE})
    write(project.folder, **{file: text})
    assert hints(project, capsys) == [f"{file} is no route: {remedy}."]


@pytest.mark.parametrize("folder", [":id", "<id>", "<int:id>", "$id"])
def test_a_parameter_as_others_write_it_gets_a_hint(
    project: Project, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    project.routes({f"/users/{folder}": LIVE})
    assert hints(project, capsys) == [
        f'app/users/{folder}/route.py: the folder "{folder}" stands for itself in URLs; a parameter is written [id].'
    ]


def test_modules_of_the_project_get_none(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.routes({"/": "from .page import shown\nfrom .shared import GET\n"})
    write(
        project.folder,
        **{
            "app/page.py": "shown = 1\n",
            "app/shared.py": HANDLER,
            "app/models.py": "class GETTER: ...\n\n\ndef get(): ...\n",
            "app/schemas.py": "GET = 1\n",
            "app/_lib/routes.py": HANDLER,
            "app/README.md": "def GET",
            "app/style.css": "",
            "app/robots.py": "def robots():\n    return {'rules': {}}\n",
        },
    )
    assert hints(project, capsys) == []


@pytest.mark.parametrize("command", ["build", "routes"])
def test_an_empty_folder_gets_a_file_to_write(
    project: Project, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (project.folder / "app").mkdir()
    done = call(project.folder, capsys, command, "--dir", str(project.folder))
    assert done.code == 0
    assert 'there are no routes: write app/route.py with `def GET(): return {"hello": "world"}`' in done.out + done.err


def test_an_application_with_endpoints_only_gets_none(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        project.folder,
        **{
            "main.py": "from millpond import Millpond\n\napp = Millpond()\napp.get('/')(lambda: 1)\n",
        },
    )
    assert hints(project, capsys) == []


@pytest.mark.parametrize(
    ("file", "hint"),
    [
        ("src/app/x/route.py", 'src/app/ has route files; name the folder: Millpond("src/app").'),
        ("routes/route.py", 'routes/ has route files; name the folder: Millpond("routes").'),
        ("pages/api/users.py", "routes aren't in pages/: pages/api/users.py would be app/api/users/route.py."),
        ("pages/index.tsx", "routes aren't in pages/: pages/index.tsx would be app/route.py."),
        ("docs/x.py", "Write app/route.py or main.py, or run `millpond new NAME`; --dir names another folder."),
    ],
)
def test_routes_in_another_folder_are_found_when_there_is_no_application(
    project: Project, capsys: pytest.CaptureFixture[str], file: str, hint: str
) -> None:
    write(project.folder, **{file: HANDLER})
    done = call(project.folder, capsys, "build", "--dir", str(project.folder))
    assert done.code == 1
    assert done.err == (
        f"error: there is no application in {project.folder}: neither main.py nor a folder app. {hint}\n"
    )
    (project.folder / "app").mkdir()
    done = call(project.folder, capsys, "build", "--dir", str(project.folder))
    if "src/app" in hint:
        assert done.out.endswith(f"warning: there are no routes in app/. {hint}\n")
