from __future__ import annotations

import importlib
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from routes_project import load_one, write

from millpond.errors import RouteModuleError
from millpond.routes.imports import forget, import_project_file, import_route, package_of
from millpond.routes.module import RouteModule, load
from millpond.routes.scan import scan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _forget(tmp_path: Path) -> Iterator[None]:
    paths = list(sys.path)
    yield
    forget(tmp_path)
    sys.path[:] = paths


def load_all(project: Path, files: dict[str, str]) -> dict[str, RouteModule]:
    app = write(project, files)
    return {file.pattern: load(file, project, app) for file in scan(app, project)}


def call(module: RouteModule) -> Any:
    return module.functions["GET"]()


def refusal(project: Path, source: str) -> RouteModuleError:
    with pytest.raises(RouteModuleError) as caught:
        load_one(project, source, "x")
    return caught.value


def test_a_route_imports_its_neighbours_relatively(tmp_path: Path) -> None:
    modules = load_all(
        tmp_path,
        {
            "app/products/[slug]/route.py": """
                from .prices import PRICE
                from ..names import NAME
                from ...top import TOP

                def GET():
                    return [PRICE, NAME, TOP]
            """,
            "app/products/[slug]/prices.py": "PRICE = 3\n",
            "app/products/names.py": "NAME = 'oak'\n",
            "app/top.py": "TOP = True\n",
        },
    )
    assert call(modules["/products/[slug]"]) == [3, "oak", True]


def test_a_route_imports_from_the_project_folder(tmp_path: Path) -> None:
    write(tmp_path, {"lib_of_project/db.py": "def find(): return 'found'\n"})
    assert call(load_one(tmp_path, "from lib_of_project.db import find\ndef GET(): return find()\n")) == "found"
    load_one(tmp_path, "def GET(): ...\n")
    assert sys.path.count(str(tmp_path)) == 1


def test_a_private_folder_is_a_package(tmp_path: Path) -> None:
    modules = load_all(
        tmp_path, {"app/route.py": "from ._lib.x import GET\n", "app/_lib/x.py": "def GET(): return 'private'\n"}
    )
    assert call(modules["/"]) == "private"


def test_a_route_may_import_another_route_and_both_are_one_module(tmp_path: Path) -> None:
    modules = load_all(
        tmp_path,
        {
            "app/a/route.py": "from ..b.route import Thing, GET\n",
            "app/b/route.py": "class Thing: ...\ndef GET(): return Thing\n",
        },
    )
    assert call(modules["/a"]) is call(modules["/b"])


def test_a_module_is_named_after_its_folders(tmp_path: Path) -> None:
    modules = load_all(
        tmp_path, {f"app/{folder}/route.py": "def GET(): ...\n" for folder in ("products/[slug]", "rss.xml", "(g)/h")}
    )
    roots = {module.module.__name__.partition(".")[0] for module in modules.values()}
    (root,) = roots
    assert {module.module.__name__.removeprefix(root) for module in modules.values()} == {
        ".products._slug_.route",
        ".rss_xml.route",
        "._g_.h.route",
    }


def test_folders_that_differ_only_in_dots_are_different_packages(tmp_path: Path) -> None:
    modules = load_all(
        tmp_path,
        {f"app/{folder}/route.py": f"def GET(): return {folder!r}\n" for folder in ("a.b", "a_b", "a.b.c", "a_b.c")},
    )
    assert [call(modules[pattern]) for pattern in ("/a.b", "/a_b", "/a.b.c", "/a_b.c")] == [
        "a.b",
        "a_b",
        "a.b.c",
        "a_b.c",
    ]
    assert len({module.module.__name__ for module in modules.values()}) == 4


NAMES = """
import sys
from pathlib import Path
from millpond.routes.module import load
from millpond.routes.scan import scan
project = Path(sys.argv[1])
files = scan(project / "app", project)
files = files[::-1] if sys.argv[2] == "backwards" else files
print(sorted(load(file, project, project / "app").module.__name__ for file in files))
"""


def test_names_are_the_same_in_every_process_and_order(tmp_path: Path) -> None:
    write(tmp_path, {f"app/{folder}/route.py": "def GET(): ...\n" for folder in ("a.b", "a_b", "c/[id]", "(g)/d")})
    outputs = {
        subprocess.run(
            [sys.executable, "-c", NAMES, str(tmp_path), order], check=True, capture_output=True, text=True
        ).stdout
        for order in ("forwards", "backwards")
    }
    assert len(outputs) == 1
    assert "'app.c._id_.route'" in outputs.pop()


def test_two_applications_in_one_process_keep_apart(tmp_path: Path) -> None:
    answers = []
    for name in ("one", "two", "three"):
        source = "from .here import NAME\ndef GET(): return NAME\n"
        modules = load_all(tmp_path / name, {"app/route.py": source, "app/here.py": f"NAME = {name!r}\n"})
        answers.append(call(modules["/"]))
    assert answers == ["one", "two", "three"]


def test_a_package_with_an_init_file_is_executed(tmp_path: Path) -> None:
    modules = load_all(
        tmp_path,
        {
            "app/a/__init__.py": "from .values import X\nY = X + 1\n",
            "app/a/values.py": "X = 1\n",
            "app/a/b/route.py": "from .. import Y\ndef GET(): return Y\n",
        },
    )
    assert call(modules["/a/b"]) == 2


def test_an_error_in_an_init_file_is_placed_there(tmp_path: Path) -> None:
    with pytest.raises(RouteModuleError, match=r"^app/a/__init__\.py:2: .*ZeroDivisionError"):
        load_all(tmp_path, {"app/a/__init__.py": "\n1 / 0\n", "app/a/route.py": "def GET(): ...\n"})


def test_an_error_while_importing_has_the_line_and_its_cause(tmp_path: Path) -> None:
    error = refusal(tmp_path, "import os\n\nORIGIN = os.environ['NOT_SET_ANYWHERE']\n")
    assert str(error).startswith("app/x/route.py:3: the file can't be imported: KeyError: 'NOT_SET_ANYWHERE'; ")
    assert isinstance(error.__cause__, KeyError)


def test_an_error_in_the_users_library_is_placed_there(tmp_path: Path) -> None:
    write(tmp_path, {"broken_library.py": "def connect():\n    int('x')\n"})
    error = refusal(tmp_path, "from broken_library import connect\nconnect()\n")
    assert str(error).startswith("broken_library.py:2: the file can't be imported: ValueError: ")


def test_an_error_inside_an_installed_library_is_placed_where_the_user_called_it(tmp_path: Path) -> None:
    write(tmp_path, {"venv/site-packages/installed_library.py": "def connect():\n    int('x')\n"})
    sys.path.insert(0, str(tmp_path / "venv/site-packages"))
    error = refusal(tmp_path, "from installed_library import connect\nconnect()\n")
    assert str(error).startswith("app/x/route.py:2: ")


def test_a_syntax_error_in_the_users_library_is_placed_there(tmp_path: Path) -> None:
    write(tmp_path, {"unparsable_library.py": "x = 1\nx ===\n"})
    assert str(refusal(tmp_path, "import unparsable_library\n")).startswith("unparsable_library.py:2: invalid syntax")


def test_a_missing_library_says_what_to_do(tmp_path: Path) -> None:
    message = str(refusal(tmp_path, "import a_library_that_is_not_there\n"))
    assert "No module named 'a_library_that_is_not_there'" in message
    assert "install it" in message


@pytest.mark.parametrize(("package", "line"), [("pictex", "from pictex import Text"), ("PIL", "import PIL.Image")])
def test_a_missing_library_of_an_extra_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, line: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)  # Python then says that it isn't there
    assert str(refusal(tmp_path, f"{line}\n")).endswith("; run: pip install millpond[og].")


def test_leaving_python_while_importing_is_an_error_too(tmp_path: Path) -> None:
    assert "app/x/route.py:2: the file can't be imported: SystemExit" in str(
        refusal(tmp_path, "import sys\nsys.exit()\n")
    )


def test_an_interrupt_while_importing_goes_through(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        load_one(tmp_path, "raise KeyboardInterrupt\n")


def test_a_file_that_failed_can_be_mended_and_loaded(tmp_path: Path) -> None:
    refusal(tmp_path, "1 / 0\n")
    assert call(load_one(tmp_path, "def GET(): return 'mended'\n", "x")) == "mended"


def test_a_file_that_failed_is_tried_again_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import os\nVALUE = os.environ['SET_LATER']\ndef GET(): return VALUE\n"
    refusal(tmp_path, source)
    monkeypatch.setenv("SET_LATER", "set")
    assert call(load_one(tmp_path, source, "x")) == "set"


def test_a_changed_file_is_loaded_anew_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    first = load_one(tmp_path, "def GET(): return 1\n")
    assert load_one(tmp_path, "def GET(): return 1\n").module is first.module
    assert call(load_one(tmp_path, "def GET(): return 2\n")) == 2


def test_what_was_forgotten_is_read_again(tmp_path: Path) -> None:
    files = {"app/route.py": "from .data import X\ndef GET(): return X\n", "app/data.py": "X = 1\n"}
    assert call(load_all(tmp_path, files)["/"]) == 1
    forget(tmp_path)
    files["app/data.py"] = "X = 1000\n"
    assert call(load_all(tmp_path, files)["/"]) == 1000


def test_forgetting_leaves_other_modules_alone(tmp_path: Path) -> None:
    load_one(tmp_path, "def GET(): ...\n")
    before = set(sys.modules)
    forget(tmp_path)
    gone = before - set(sys.modules)
    assert gone
    assert all(name.startswith("app") for name in gone)


def test_libraries_in_a_virtual_environment_below_the_project_are_not_forgotten(tmp_path: Path) -> None:
    write(tmp_path, {".venv/lib/site-packages/library_that_stays.py": ""})
    sys.path.insert(0, str(tmp_path / ".venv/lib/site-packages"))
    load_one(tmp_path, "import library_that_stays\ndef GET(): ...\n")
    forget(tmp_path)
    assert sys.modules.pop("library_that_stays").__name__ == "library_that_stays"


def test_a_file_of_the_project_keeps_apart_from_another_projects(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, {"file_of_a_project.py": f"NAME = {name!r}\n"})
    names = [
        import_project_file(tmp_path / name / "file_of_a_project.py", tmp_path / name).NAME
        for name in ("one", "two", "two")
    ]
    assert names == ["one", "two", "two"]


def test_a_changed_file_of_the_project_is_loaded_anew(tmp_path: Path) -> None:
    path = tmp_path / "file_that_changes.py"
    path.write_text("X = 1\n")
    first = import_project_file(path, tmp_path)
    assert import_project_file(path, tmp_path) is first
    path.write_text("X = 2\n")
    assert import_project_file(path, tmp_path).X == 2


@pytest.mark.parametrize("fails", [False, True])
def test_a_route_that_another_thread_imports_is_waited_for(tmp_path: Path, fails: bool) -> None:
    (tmp_path / "gates.py").write_text("import threading\nbegun, go = threading.Event(), threading.Event()\n", "utf-8")
    text = "import gates\ngates.begun.set()\ngates.go.wait(5)\nONE = 1\n"
    app = write(tmp_path, {"app/slow/route.py": text + "{}[gates.go]\n" * fails})
    path = app / "slow" / "route.py"
    package = package_of(path.parent, app, tmp_path)
    ended = list[KeyError]()

    def import_it() -> None:
        try:
            importlib.import_module(f"{package}.route")
        except KeyError as error:
            ended.append(error)

    other = threading.Thread(target=import_it)
    other.start()
    gates = importlib.import_module("gates")
    assert gates.begun.wait(5)
    threading.Timer(0.02, gates.go.set).start()
    try:
        if fails:
            with pytest.raises(RouteModuleError, match="KeyError"):
                import_route(path, path.read_bytes(), app, tmp_path)
        else:
            assert import_route(path, path.read_bytes(), app, tmp_path).ONE == 1
    finally:
        other.join()
    assert len(ended) == fails
