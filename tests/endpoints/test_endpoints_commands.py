"""Commands know endpoints with `@static`: build, routes, explain, cache and revalidate."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from cli_project import call
from declared_in_code import PRELUDE

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.private_names

MAIN = """
from millpond import Millpond
app = Millpond()

def token(x_token: str = Header("")):
    return x_token

inner = APIRouter(prefix="/items")

@inner.get("/{id:int}")
@static(revalidate=60, tags=["items"], params=[{"id": 1}])
def item(id: int):
    return id

@app.get("/live")
@static()
def live(token=Depends(token)):
    return token

@app.get("/closed/{name}")
@static(params=[{"name": "a"}], dynamic_params=False)
def closed(name: str):
    return name

@app.get("/plain")
def plain():
    return 1

app.include_router(inner)
"""


def commanded(project: Project, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    done = call(project.folder, capsys, *arguments, "--dir", str(project.folder), "--json")
    assert done.code == 0, done.err
    return done.facts


@pytest.fixture
def written(project: Project) -> Project:
    (project.folder / "main.py").write_text(PRELUDE + MAIN, "utf-8")
    return project


def test_commands_tell_what_the_build_has_decided(written: Project, capsys: pytest.CaptureFixture[str]) -> None:
    built = commanded(written, capsys, "build")
    assert built["routes"]["/items/[id]"]["why"] == "@static(revalidate=60, tags=['items'], params=…)"
    assert set(built["prerendered"]) == {"/items/1", "/closed/a"}
    listed = {each["pattern"]: each for each in commanded(written, capsys, "routes")["routes"]}
    assert {pattern: (each["mode"], each["glyph"], each["by"]) for pattern, each in listed.items()} == {
        "/items/[id]": ("static", "●", "build"),
        "/live": ("live", "λ", "build"),
        "/closed/[name]": ("static", "●", "build"),
        "/plain": ("live", "λ", "code"),
    }
    item = commanded(written, capsys, "explain", "/items/1")
    assert (item["route"], item["mode"], item["cache"]["tags"]) == ("/items/[id]", "fresh", ["items"])
    assert item["cache"]["stored"] is True
    assert (item["file"], item["methods"], item["params"]) == ("main.py", ["GET"], {"id": 1})
    assert commanded(written, capsys, "explain", "/items/2")["cache"]["stored"] is False
    live = commanded(written, capsys, "explain", "/live")
    assert (live["mode"], live["why"]) == ("live", 'declares header "x-token" in token')
    assert live["place"].startswith("main.py:")
    assert commanded(written, capsys, "explain", "/closed/b")["status"] == 404
    assert commanded(written, capsys, "explain", "/plain")["why"] == "declared in code"
    assert commanded(written, capsys, "explain", "/items/x")["status"] == 404


def test_without_a_build_routes_are_candidates(written: Project, capsys: pytest.CaptureFixture[str]) -> None:
    listed = {each["pattern"]: each for each in commanded(written, capsys, "routes")["routes"]}
    assert (listed["/items/[id]"]["mode"], listed["/items/[id]"]["by"]) == ("candidate", "code")
    assert commanded(written, capsys, "explain", "/items/7")["mode"] == "fresh"


def test_a_pattern_of_an_endpoint_is_known_to_revalidate(written: Project, capsys: pytest.CaptureFixture[str]) -> None:
    (written.folder / "app").mkdir()
    commanded(written, capsys, "build")
    for path in ("/items/{id}", "/items/{id:int}", "/items/[id]", "/items/5"):
        done = call(written.folder, capsys, "revalidate", "--path", path, "--dir", str(written.folder))
        assert (done.code, "no route" in done.err) == (0, False), path
    done = call(written.folder, capsys, "revalidate", "--path", "/nowhere", "--dir", str(written.folder))
    assert 'no route has the path "/nowhere"' in done.err


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("@app.get('/x')\n@static(revalidate=-1)\ndef x(): ...", "@static: revalidate = -1 is not allowed"),
        ("@app.get('/x')\n@static(revalidat=1)\ndef x(): ...", "did you mean revalidate?"),
        ("@app.post('/x')\n@static()\ndef x(): ...", "is for a GET"),
    ],
)
def test_a_mistake_is_one_line_of_every_command(
    project: Project, capsys: pytest.CaptureFixture[str], source: str, message: str
) -> None:
    main = f"{PRELUDE}from millpond import Millpond\napp = Millpond()\n{dedent(source)}\n"
    (project.folder / "main.py").write_text(main, "utf-8")
    for command in (("build",), ("routes",), ("explain", "/x")):
        done = call(project.folder, capsys, *command, "--dir", str(project.folder))
        assert done.code != 0
        lines = done.err.strip().splitlines()
        assert len(lines) == 1, done.err
        assert message in lines[0]
        assert "main.py:8" in lines[0]
