"""What goes wrong while the module of the application is imported: one message, with the user's lines."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest
from entry_project import MAIN, ROUTE, opened, refused

if TYPE_CHECKING:
    from ponds import Project


@pytest.fixture(autouse=True)
def _routes(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    project.write({"app/route.py": ROUTE})


def test_what_a_module_below_raises_has_all_lines_of_the_user(project: Project) -> None:
    project.write({"main.py": f"from shop import db\n{MAIN}", "shop/db.py": "\nraise RuntimeError('no database')\n"})
    assert re.sub(r"\d+ frames", "some frames", refused(project)) == (
        "shop/db.py:2: the file can't be imported: RuntimeError: no database; mend it.\n"
        "  … some frames of Millpond, FastAPI and libraries\n"
        "  main.py:1 in <module>\n"
        "      from shop import db\n"
        "  shop/db.py:2 in <module>\n"
        "      raise RuntimeError('no database')\n"
        "  RuntimeError: no database"
    )


@pytest.mark.parametrize("name", ["main", "shop.main"])
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import sys\nsys.exit('no')\n", "{file}:2: the file can't be imported: SystemExit: no; mend it."),
        ("x = 1\ndef f(:\n", "{file}:2: invalid syntax\n    def f(:"),
        (
            "import no_such_package\n",
            "No module named 'no_such_package'; install it, or put it in the project's folder.",
        ),
        ("import os\nos.environ['NOT_SET']\n", "{file}:2: the file can't be imported: KeyError: 'NOT_SET'; set it in"),
        (
            "from nowhere.at.all import x\n",
            "{file}:1: the file can't be imported: ModuleNotFoundError: No module named",
        ),
    ],
)
def test_each_mistake_is_one_message_with_its_line(project: Project, name: str, source: str, said: str) -> None:
    file = f"{name.replace('.', '/')}.py"
    project.write({"main.py": "", file: source})
    message = refused(project, f"{name}:app")
    assert said.format(file=file) in message


def test_what_main_py_has_not_made_yet_cannot_be_imported_from_it(project: Project) -> None:
    project.write({"main.py": f"import shop\n{MAIN}", "shop.py": "\nfrom main import app\n"})
    assert refused(project).startswith("shop.py:2: the file can't be imported: ImportError: cannot import name 'app'")


@pytest.mark.parametrize("name", ["main", "shop.main"])
def test_a_module_that_failed_is_imported_anew_once_it_is_mended(project: Project, name: str) -> None:
    file = f"{name.replace('.', '/')}.py"
    project.write({file: "raise ValueError\n"})
    assert "ValueError" in refused(project, f"{name}:app")
    project.write({file: MAIN})
    assert opened(project, f"{name}:app").app.app_dir == project.folder / "app"


@pytest.mark.parametrize("name", ["main", "shop.main"])
def test_what_millpond_says_is_not_wrapped(project: Project, name: str) -> None:
    project.write({f"{name.replace('.', '/')}.py": MAIN, "millpond.toml": "compaat = '16'\n"})
    assert refused(project, f"{name}:app") == 'millpond.toml: there is no key "compaat"; did you mean "compat"?'


@pytest.mark.parametrize("call", ["revalidate_tag('')", "Millpond('nowhere')"])
def test_a_wrong_use_of_millpond_in_main_py_has_its_line(project: Project, call: str) -> None:
    project.write({"main.py": f"from millpond import revalidate_tag\n{MAIN}{call}\n"})
    message = refused(project)
    assert message.startswith("main.py:5: ")
    assert "can't be imported" not in message


def test_what_register_raises_while_main_py_makes_the_application_has_its_line(project: Project) -> None:
    project.write({"main.py": MAIN, "instrumentation.py": "def register(app):\n    raise ValueError('no collector')\n"})
    message = refused(project)
    assert message.startswith("instrumentation.py:2: ")
    assert "  main.py:3 in <module>\n" in message


def test_a_module_that_another_project_of_this_process_has_too_is_not_taken_for_it(project: Project) -> None:
    project.write({"main.py": MAIN})
    first = opened(project).app
    folder = project.folder
    other = folder.with_name("other")
    project.folder = other
    project.write({"main.py": MAIN, "app/route.py": ROUTE})
    assert first.project == folder
    assert opened(project).app.project == other
    assert sys.path.count(str(other)) == 1
