from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from entry_project import MAIN, ROUTE, opened, refused

from millpond.app.entrypoint.import_string import names_an_application

if TYPE_CHECKING:
    from ponds import Project

FACTORIES = """\
import functools

from fastapi import FastAPI

from millpond import Millpond


def create_app(folder="pages"):
    return Millpond(folder)


def plain():
    return FastAPI()


async def late():
    return Millpond()


def broken():
    raise RuntimeError("no database")


def ends():
    raise SystemExit("no database")


def misconfigured():
    return Millpond("nowhere")


of_app = functools.partial(create_app, "app")
app = Millpond()
number = 3


class Holder:
    pages = Millpond("pages")
"""


MAKER = "def create_app(): ...\n"


@pytest.fixture(autouse=True)
def _files(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    project.write({"app/route.py": ROUTE, "pages/route.py": ROUTE, "main.py": FACTORIES})


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ("main:app", "app"),
        ("main", "app"),
        ("main.py", "app"),
        ("main.py:app", "app"),
        ("./main.py", "app"),
        ("main:Holder.pages", "pages"),
        ("shop.site:site", "pages"),
        ("shop.site", "pages"),
        ("shop/site.py", "pages"),
        ("shop/__init__.py", "pages"),
        ("shop", "pages"),
    ],
)
def test_an_application_is_named_by_module_and_attribute_or_by_file(project: Project, given: str, folder: str) -> None:
    project.write(
        {
            "shop/__init__.py": "from .site import site\n",
            "shop/site.py": "from millpond import Millpond\nsite = Millpond('pages')\n",
        }
    )
    app, notes = opened(project, given)
    assert (app.app_dir, notes) == (project.folder / folder, [])


@pytest.mark.parametrize(("given", "folder"), [("main:create_app", "pages"), ("main:of_app", "app")])
def test_a_factory_is_called_when_it_is_said_to_be_one(project: Project, given: str, folder: str) -> None:
    assert opened(project, given, factory=True).app.app_dir == project.folder / folder
    project.write({"millpond.toml": f'[app]\nentrypoint = "{given}"\nfactory = true\n'})
    assert opened(project).app.app_dir == project.folder / folder


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("main:create_app", "main:create_app is a function; write --factory if it returns the application."),
        ("main:ap", 'main.py has no "ap". Did you mean "main:app"?'),
        ("main:service", 'main.py has no "service". It has "main:app".'),
        ("main:Holder.page", 'main.py has no "Holder.page". It has "main:app".'),
        ("main:number", 'main:number (main.py) isn\'t a Millpond but an object of the class int. It has "main:app".'),
        ("main:Millpond", 'main:Millpond (main.py) isn\'t a Millpond but the class Millpond. It has "main:app".'),
        ("mian:app", 'there is no module mian in {folder}; did you mean "main:app"?'),
        ("main.app", 'there is no module main.app, but main; an application in it is written "main:app".'),
        ("shop.sites:app", 'there is no module shop.sites in {folder}; did you mean "shop.site:app"?'),
        ("sho.site:app", 'there is no module sho in {folder}; did you mean "shop.site:app"?'),
        (
            "elsewhere:app",
            "there is no module elsewhere in {folder}; name the project's folder with --dir, or install the module.",
        ),
        ("main:", '"main:" names no application: it must look like "main:app" or "shop.main:app".'),
        (":app", '":app" names no application: it must look like "main:app" or "shop.main:app".'),
        ("main:app:x", '"main:app:x" names no application: it must look like "main:app" or "shop.main:app".'),
        ("/items/1", '"/items/1" names no application: it must look like "main:app" or "shop.main:app".'),
        (
            "main:create_app()",
            '"main:create_app()" names no application: for a function that returns the application write '
            "main:create_app --factory.",
        ),
        ("none.py", '"none.py" names no application: there is no file {folder}/none.py.'),
        (
            "../main.py",
            "\"../main.py\" names no application: the file isn't in {folder}; name the project's folder with --dir.",
        ),
        ("empty", "empty.py makes no Millpond; write in it: app = Millpond()"),
        ("empty:app", 'empty.py has no "app". Write in it: app = Millpond()'),
        ("pages:app", 'pages has no "app". Write in it: app = Millpond()'),
        ("maker:app", 'maker.py has no "app". It has the function maker:create_app: write --factory behind it.'),
        (
            "plain:app",
            "plain:app (plain.py) isn't a Millpond but a FastAPI application: its own routes would be missing. Write "
            "app = Millpond(...) in the place of FastAPI(...), and keep all the rest.",
        ),
    ],
)
def test_what_is_wrong_with_a_name_is_said_with_what_to_write(project: Project, given: str, message: str) -> None:
    project.folder.with_name("main.py").write_text("")
    plain = "from fastapi import FastAPI\napp = FastAPI()\n"
    project.write({"shop/site.py": MAIN, "empty.py": "", "plain.py": plain, "maker.py": MAKER})
    assert refused(project, given) == message.format(folder=project.folder)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("main:app", "main:app is the application itself; leave --factory out."),
        ("main:number", "main:number is an object of the class int, which can't be called; leave --factory out."),
        ("main:plain", "main:plain() returned a FastAPI application; it must return a Millpond."),
        ("main:late", "main:late is an async function; the application is made by one that isn't."),
        ("main", "--factory needs the name of the function: main:create_app."),
        (None, "--factory is about a function; name it, such as --app main:create_app."),
    ],
)
def test_what_is_no_factory_is_an_error(project: Project, given: str | None, message: str) -> None:
    assert refused(project, given, factory=True) == message


@pytest.mark.parametrize("kind", ["RuntimeError", "SystemExit"])
def test_a_factory_that_raises_is_an_error_with_the_users_lines(project: Project, kind: str) -> None:
    name = "broken" if kind == "RuntimeError" else "ends"
    message = refused(project, f"main:{name}", factory=True)
    line = next(number for number, text in enumerate(FACTORIES.splitlines(), 1) if f"raise {kind}" in text)
    assert message.startswith(f"main:{name}() failed:\n")
    assert f"main.py:{line} in {name}\n      raise {kind}" in message
    assert message.endswith(f"{kind}: no database")


def test_what_millpond_says_about_its_arguments_is_not_wrapped(project: Project) -> None:
    assert refused(project, "main:misconfigured", factory=True).startswith("there is no folder ")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("main:app", True),
        ("shop.main:app", True),
        ("main:holder.app", True),
        ("größe:app", True),
        ("/main:app", False),
        ("http://localhost/x", False),
        ("localhost:8000/x", False),
        ("localhost:8000", False),
        ("main", False),
        ("items/a:b", False),
    ],
)
def test_an_application_is_told_from_a_path(text: str, is_one: bool) -> None:
    assert names_an_application(text) is is_one
