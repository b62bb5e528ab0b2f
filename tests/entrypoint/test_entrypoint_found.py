from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from entry_project import MAIN, ROUTE, opened, refused

from millpond.routes.imports import forget

if TYPE_CHECKING:
    from ponds import Project


@pytest.fixture(autouse=True)
def _routes(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)  # `open_app` goes there, too; the test comes back
    monkeypatch.delitem(sys.modules, "app", raising=False)  # that of another test's project
    project.write({"app/route.py": ROUTE, "pages/route.py": ROUTE})


def said(names: str) -> str:
    """A main.py with several applications: `app: pages` is one of the folder `pages`, called `app`."""
    lines = ["from millpond import Millpond"]
    for pair in names.split(", "):
        name, _, folder = pair.partition(": ")
        lines.append(f"{name} = Millpond({folder!r})")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("main", "folder"),
    [
        ("app: pages, other: app", "pages"),
        ("other: app, api: pages", "pages"),
        ("other: app, app: pages, api: app", "pages"),
        ("shop: pages", "pages"),
    ],
)
def test_main_py_makes_the_application_called_app_or_api_or_the_only_one(
    project: Project, main: str, folder: str
) -> None:
    project.write({"main.py": said(main)})
    app, notes = opened(project)
    assert (app.app_dir, notes) == (project.folder / folder, [])


def test_one_application_with_two_names_is_one(project: Project) -> None:
    project.write({"main.py": said("shop: pages") + "application = shop\n"})
    assert opened(project).app.app_dir == project.folder / "pages"


def test_of_two_applications_with_other_names_none_is_guessed(project: Project) -> None:
    project.write({"main.py": said("shop: pages, admin: app")})
    message = refused(project)
    assert message == (
        'main.py makes 2 Millponds, admin and shop; name one: --app "main:admin" or "main:shop", or [app] entrypoint '
        "in millpond.toml."
    )


NO_APPLICATION = [
    "",
    "print('a script')\n",
    "from millpond import Millpond\n",
    "app = 'x'\n",
    "async def api(url): ...\n",
]


@pytest.mark.parametrize("main", NO_APPLICATION)
def test_a_main_py_without_an_application_leaves_the_folder_alone(project: Project, main: str) -> None:
    project.write({"main.py": main})
    app, notes = opened(project)
    assert (app.app_dir, notes) == (project.folder / "app", [])


def test_without_a_main_py_it_is_the_folder_alone(project: Project) -> None:
    assert opened(project).app.app_dir == project.folder / "app"


def test_a_command_line_tool_called_app_is_no_application(project: Project) -> None:
    project.write({"main.py": "import cyclopts\n\napp = cyclopts.App()\n"})
    assert opened(project).app.app_dir == project.folder / "app"


@pytest.mark.parametrize("kind", ["fastapi.FastAPI", "starlette.applications.Starlette"])
def test_another_application_in_main_py_is_never_left_out_silently(project: Project, kind: str) -> None:
    module, _, name = kind.rpartition(".")
    project.write({"main.py": f"from {module} import {name}\n\napp = {name}()\n"})
    message = refused(project)
    assert message.startswith("main:app (main.py) isn't a Millpond but ")
    assert ("Write app = Millpond(...) in the place of FastAPI(...)" in message) == (name == "FastAPI")
    assert 'entrypoint = ""' in message
    project.write({"millpond.toml": '[app]\nentrypoint = ""\n'})
    assert opened(project).app.app_dir == project.folder / "app"


MOUNTED = {
    "by a name": "shop = Millpond('pages')\napp = FastAPI()\napp.mount('/shop', shop)\n",
    "without a name": "app = FastAPI()\napp.mount('/shop', Millpond('pages'))\n",
    "in a wrapper": "app = GZipMiddleware(Millpond('pages'))\n",
    "in a mount of a mount": "app = FastAPI()\napp.mount('/a', inner := Starlette())\n"
    "inner.mount('/shop', GZipMiddleware(Millpond('pages')))\n",
    "by a function": "shop = Millpond('pages')\n\nasync def app(scope, receive, send):\n"
    "    await shop(scope, receive, send)\n",
    "by another name": "shop = Millpond('pages')\nservice = FastAPI()\nservice.mount('/shop', shop)\n",
}


@pytest.mark.parametrize("main", MOUNTED.values(), ids=MOUNTED)
def test_a_millpond_inside_of_another_application_is_taken_and_the_other_is_named(project: Project, main: str) -> None:
    imports = (
        "from fastapi import FastAPI\nfrom starlette.applications import Starlette\n"
        "from starlette.middleware.gzip import GZipMiddleware\nfrom millpond import Millpond\n\n"
    )
    project.write({"main.py": imports + main})
    app, notes = opened(project)
    assert app.app_dir == project.folder / "pages"
    (note,) = notes
    whole = "service" if "service" in main else "app"
    assert note.startswith(f"main:{whole} isn't a Millpond but ")
    assert note.endswith(f"`uvicorn main:{whole}` serves the whole.")


def test_an_application_that_wraps_itself_contains_no_millpond(project: Project) -> None:
    main = "from starlette.middleware.gzip import GZipMiddleware\n\napp = GZipMiddleware(None)\napp.app = app\n"
    project.write({"main.py": main})
    assert refused(project).startswith("main:app (main.py) isn't a Millpond but an object of the class GZipMiddleware")


def test_two_millponds_without_names_in_another_application_are_asked_for_by_name(project: Project) -> None:
    main = "from fastapi import FastAPI\nfrom millpond import Millpond\n\napp = FastAPI()\n"
    project.write({"main.py": f"{main}app.mount('/a', Millpond('app'))\napp.mount('/b', Millpond('pages'))\n"})
    assert refused(project).startswith("main.py makes 2 Millponds, none of which has a name; give them names")


@pytest.mark.parametrize(
    "function",
    [
        "def create_app():\n    return Millpond()\n",
        "def application() -> Millpond:\n    return Millpond()\n",
        "def application() -> 'millpond.Millpond':\n    return Millpond()\n",
        "def application(title: str = 'Shop', **options: object) -> FastAPI:\n    return Millpond()\n",
    ],
)
def test_a_function_that_makes_it_is_named_with_what_to_write(project: Project, function: str) -> None:
    project.write({"main.py": f"from fastapi import FastAPI\nfrom millpond import Millpond\n\n{function}"})
    message = refused(project)
    name = function.split("(")[0].removeprefix("def ")
    assert f"--app main:{name} --factory" in message
    assert f'entrypoint = "main:{name}" and factory = true' in message


@pytest.mark.parametrize(
    "main", ["def create_app(name):\n    ...\n", "def helper():\n    ...\n", "from shop import create_app\n"]
)
def test_other_functions_make_none(project: Project, main: str) -> None:
    project.write({"main.py": main, "shop.py": "def create_app():\n    ...\n"})
    assert opened(project).app.app_dir == project.folder / "app"


def test_app_main_py_is_looked_at_where_there_is_no_main_py(project: Project) -> None:
    project.write({"app/__init__.py": "", "app/main.py": said("app: pages")})
    assert opened(project).app.app_dir == project.folder / "pages"
    project.write({"main.py": said("app: app")})
    assert opened(project).app.app_dir == project.folder / "app"


def test_the_application_and_the_routes_are_one_package(project: Project) -> None:
    project.write({"app/main.py": MAIN, "app/route.py": "from app.main import app\n\n\ndef GET(): ...\n"})
    app = opened(project).app
    assert [route.module.module.app for route in app.file_routes] == [app]


@pytest.mark.parametrize(
    ("files", "folder"),
    [
        ({"millpond.toml": '[app]\nentrypoint = "shop.site:site"\n'}, "pages"),
        ({"pyproject.toml": '[tool.millpond.app]\nentrypoint = "shop.site:site"\n'}, "pages"),
        ({"pyproject.toml": '[tool.fastapi]\nentrypoint = "shop.site:site"\n'}, "pages"),
        (
            {"millpond.toml": '[app]\nentrypoint = "main"\n', "pyproject.toml": '[tool.fastapi]\nentrypoint = "x"\n'},
            "app",
        ),
        ({"millpond.toml": "", "pyproject.toml": '[tool.fastapi]\nentrypoint = "shop.site:site"\n'}, "pages"),
        ({"pyproject.toml": "[tool.fastapi]\n"}, "app"),
        ({"millpond.toml": '[app]\nentrypoint = ""\n'}, "app"),
    ],
)
def test_the_configuration_comes_before_main_py(project: Project, files: dict[str, str], folder: str) -> None:
    project.write({"main.py": said("app: app"), "shop/site.py": said("site: pages"), **files})
    assert opened(project).app.app_dir == project.folder / folder


def test_the_command_line_comes_before_the_configuration(project: Project) -> None:
    project.write({"main.py": said("app: pages"), "millpond.toml": '[app]\nentrypoint = "no.such:thing"\n'})
    assert opened(project, "main:app").app.app_dir == project.folder / "pages"
    assert opened(project, "").app.app_dir == project.folder / "app"


@pytest.mark.parametrize(
    ("files", "source"),
    [
        ({"millpond.toml": '[app]\nentrypoint = "main:ap"\n'}, "[app] entrypoint: "),
        ({"pyproject.toml": '[tool.fastapi]\nentrypoint = "main:ap"\n'}, "[tool.fastapi] entrypoint: "),
    ],
)
def test_a_wrong_entrypoint_in_the_configuration_says_where_it_is(
    project: Project, files: dict[str, str], source: str
) -> None:
    project.write({"main.py": MAIN, **files})
    assert refused(project) == f'{source}main.py has no "ap". Did you mean "main:app"?'


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ('entrypont = "main:app"', 'did you mean "app.entrypoint"?'),
        ("factory = true", '"app.factory" is about the function that "app.entrypoint" names'),
        ('factory = true\nentrypoint = "main"', '"app.factory" is about the function that "app.entrypoint" names'),
        ("entrypoint = 3", '"app.entrypoint" is a number; it must be a text'),
    ],
)
def test_a_table_app_that_makes_no_sense_is_an_error(project: Project, config: str, message: str) -> None:
    project.write({"millpond.toml": f"[app]\n{config}\n"})
    assert message in refused(project)


def test_a_folder_that_is_not_there_is_named(project: Project) -> None:
    project.folder = project.folder / "nowhere"
    assert refused(project) == f"there is no folder {project.folder}; give the project's with --dir."


def test_imports_and_relative_paths_begin_at_the_project(project: Project) -> None:
    project.write(
        {
            "main.py": "from pathlib import Path\nfrom lib.names import NAME\n"
            + MAIN
            + "read = Path('data.txt').read_text()\n",
            "lib/names.py": "NAME = 'oak'\n",
            "data.txt": "there",
        }
    )
    app = opened(project).app
    assert app.project == project.folder


def test_an_application_of_a_folder_elsewhere_has_its_own_project(project: Project) -> None:
    project.write({"main.py": said("app: src/site/pages"), "src/site/pages/route.py": ROUTE})
    project.write({"src/site/millpond.toml": 'compat = "15"\n'})
    app, notes = opened(project)
    assert (app.project, notes) == (project.folder / "src" / "site", [])
    project.write({"millpond.toml": 'compat = "14"\n'})
    app, notes = opened(project)
    assert app.config.compat == "15"
    assert notes == [f"the project of this application is {app.project}: in {project.folder} only [app] is read"]


def test_a_link_to_the_project_is_followed(project: Project) -> None:
    project.write({"main.py": said("app: pages"), "millpond.toml": 'compat = "14"\n'})
    link = project.folder.with_name("current")
    link.symlink_to(project.folder)
    folder, project.folder = project.folder, link
    app, notes = opened(project)
    assert (app.app_dir, app.config.compat, notes) == (folder / "pages", "14", [])
    assert sys.modules["main"].__file__ == f"{app.project}/main.py"  # messages name its lines as the project's
    forget(folder)
