"""A start tells which files were edited after the build: whatever the build was made of, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cli_project import call
from ponds import start

if TYPE_CHECKING:
    from ponds import Project

MAIN = """\
from pathlib import Path

from fastapi.templating import Jinja2Templates

from lib.text.words import HELLO
from millpond import Millpond

app = Millpond()
pages = Jinja2Templates(directory="templates")
BANNER = Path("content/banner.md").read_text()
"""
PAGE = """\
import json
from pathlib import Path

from lib.text.words import HELLO
from main import BANNER, pages

dynamic = "force-static"


def GET():
    visits = json.loads(Path("data/visits.json").read_text())
    state = json.loads(Path("state.json").read_text())
    Path("written.md").write_text("by the handler")
    Path("written.md").read_text()
    return pages.get_template("page.html").render(hello=HELLO, visits=visits, state=state)
"""
FILES = {
    "main.py": MAIN,
    "app/page/route.py": PAGE,
    "lib/text/words.py": "HELLO = 'hello'\n",
    "lib/unused.py": "x = 1\n",
    "templates/page.html": "{% include 'part.txt' %} {{ hello }}",
    "templates/part.txt": "part",
    "templates/unused.html": "unused",
    "content/banner.md": "# banner",
    "data/visits.json": "1",
    "state.json": "1",
    "tests/test_page.py": "def test(): pass\n",
    "node_modules/a/b.js": "",
    "millpond.toml": "expire_time = 1000\n",
    "instrumentation.py": "def register(app): pass\n",
}
USED = ["content/banner.md", "instrumentation.py", "lib/text/words.py", "main.py", "templates/page.html"]
USED += ["templates/part.txt"]


@pytest.fixture
def site(project: Project, capsys: pytest.CaptureFixture[str]) -> Project:
    project.write(FILES)
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    return project


def edited(project: Project, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What `millpond routes` tells of."""
    done = call(project.folder, capsys, "routes", "--dir", str(project.folder), "--json")
    return [note.removesuffix(" was edited after the build") for note in done.facts["warnings"]]


def test_nothing_is_told_while_nothing_has_changed(site: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert edited(site, capsys) == []
    site.write(FILES)  # the same again
    site.write({"millpond.toml": "# why\nexpire_time = 1000.0\n\n[server]\nmax_connections = 5\n"})
    assert edited(site, capsys) == []


def test_each_file_that_the_build_was_made_of_is_told(site: Project, capsys: pytest.CaptureFixture[str]) -> None:
    for name in USED:
        site.write({name: FILES[name] + "\n# edited\n"})
        assert edited(site, capsys) == [name]
        site.write({name: FILES[name]})
    site.write({"app/page/route.py": f"{PAGE}\n", "millpond.toml": "expire_time = 999\n", "main.py": f"{MAIN}\n"})
    assert edited(site, capsys) == ["app/page/route.py", "main.py", "millpond.toml"]


def test_what_servers_write_and_what_was_not_used_is_not_told(
    site: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in FILES.keys() - {*USED, "app/page/route.py", "millpond.toml"}:
        site.write({name: FILES[name] + " "})
    site.write({"written.md": "by another handler", ".env": "A=1\n", "lib/new.py": "", ".git/config": "x"})
    (site.folder / "content/banner.md").unlink()
    (site.folder / "main.py").write_text(MAIN.replace('Path("content/banner.md").read_text()', '""'))
    assert edited(site, capsys) == ["main.py"]


@pytest.mark.anyio
async def test_a_server_says_it_in_its_log(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.write({"lib/words.py": "A = 1\n"})
    project.routes({"/": 'from lib.words import A\n\ndynamic = "force-static"\n\n\ndef GET():\n    return A\n'})
    await project.built()
    manifest = json.loads((project.folder / ".millpond/build/manifest.json").read_text())
    assert list(manifest["sources"]) == ["lib/words.py"]
    project.write({"lib/words.py": "A = 2\n"})
    pond = project.pond()
    pond.isolated = False
    await start(pond)
    assert "lib/words.py was edited after the build; static answers that use it are from before the edit" in caplog.text
