"""`millpond dev` of an application that main.py makes."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from dev_server import developing, returns

if TYPE_CHECKING:
    from ponds import Project

MAIN = """\
from shop.names import NAME

from millpond import Millpond

app = Millpond("pages")
made = {"name": NAME, "development": app.development, "patience": app.config.server.shutdown_timeout}
"""
STATIC = 'dynamic = "force-static"\n\n\ndef GET():\n    from main import made\n\n    return made\n'


def shop(project: Project, name: str, **files: str) -> None:
    project.write({"main.py": MAIN, "shop/names.py": f"NAME = {name!r}\n", "pages/route.py": STATIC, **files})


def test_the_application_of_main_py_is_in_development_and_reloads_with_what_it_imports(project: Project) -> None:
    shop(project, "oak")
    with developing(project) as dev:
        assert dev.get().json() == {"name": "oak", "development": True, "patience": 1.0}
        shop(project, "pine")
        dev.until(lambda answer: answer.json()["name"] == "pine")
        project.write({"main.py": MAIN.replace('"name": NAME', '"name": NAME.upper()')})
        dev.until(lambda answer: answer.json()["name"] == "PINE")
        project.write({"pages/robots.txt": "User-Agent: *\n"})
        dev.until(lambda answer: answer.status_code == 200, "/robots.txt")
        said = dev.stop()
    for changed in ("shop/names.py", "main.py", "pages/robots.txt"):
        assert f"{changed} changed: reloading" in said
    assert "Traceback" not in said


def test_what_main_py_raises_is_a_page_until_it_is_mended(project: Project) -> None:
    shop(project, "oak", **{"main.py": "import shop.broken\n", "shop/broken.py": "\nraise RuntimeError('<no data>')\n"})
    with developing(project) as dev:
        facts = dev.get(accept="application/json").json()
        assert (facts["file"], facts["line"]) == ("shop/broken.py", 2)
        assert "RuntimeError: <no data>" in facts["error"]
        assert "main.py:1 in &lt;module&gt;" in dev.get(accept="text/html").text
        shop(project, "oak")
        dev.until(lambda answer: answer.status_code == 200)
        said = dev.stop(signal.SIGTERM)
    assert "shop/broken.py:2: the file can't be imported" in said
    assert "Traceback" not in said


def test_a_wrong_name_is_a_page_too(project: Project) -> None:
    shop(project, "oak")
    with developing(project, "main:ap") as dev:
        assert dev.get().text.startswith('main.py has no "ap". Did you mean "main:app"?')
        dev.stop()


def test_a_named_application_or_factory_is_served(project: Project) -> None:
    shop(project, "oak")
    project.write({"main.py": MAIN.replace("app =", "def make():\n    return app\n\n\napp =")})
    with developing(project, "main:make", "--factory") as dev:
        assert dev.get().json()["development"] is True
        dev.stop()


def test_a_note_about_the_application_is_told(project: Project) -> None:
    imports = "from fastapi import FastAPI\nfrom millpond import Millpond\n"
    mounts = "app = FastAPI()\napp.mount('/shop', Millpond('pages'))\n"
    project.write({"main.py": f"{imports}\n{mounts}", "pages/route.py": returns("there")})
    with developing(project) as dev:
        assert dev.get().json() == "there"
        said = dev.stop()
    assert "main:app isn't a Millpond but a FastAPI application" in said
