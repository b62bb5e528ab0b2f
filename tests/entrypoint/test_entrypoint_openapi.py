"""`millpond openapi`."""

from __future__ import annotations

import asyncio
import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from entry_project import opened

from cli_project import STATIC, Done, call, execute
from ponds import client_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ponds import Project

MAIN = """\
from millpond import Millpond

SERVERS = [{"url": "https://shop.example"}]
print("printed by main.py")
app = Millpond(title="Größe", version="2.1", servers=SERVERS)


@app.get("/declared", tags=["declared"])
def declared(size: float = 1e16) -> str:
    return "there"
"""

ASYNC_REGISTER = """\
import asyncio


async def register(app):
    print("printed by register")
    await asyncio.sleep(0)
    app.add_api_route("/registered", lambda: 1)
"""


@pytest.fixture
def openapi(project: Project, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    project.write({"main.py": MAIN, "app/items/[id]/route.py": STATIC.replace("GET()", "GET(id: int)")})
    return lambda *arguments: call(project.folder, capsys, "openapi", *arguments, "--dir", str(project.folder))


def test_it_prints_the_document_and_nothing_else(openapi: Callable[..., Done], project: Project) -> None:
    done = openapi()
    assert done.code == 0
    assert done.facts == json.loads(json.dumps(opened(project).app.openapi()))
    assert list(done.facts["paths"]) == ["/items/{id}", "/declared"]
    assert (done.facts["info"]["title"], done.facts["servers"]) == ("Größe", [{"url": "https://shop.example"}])
    assert done.out.startswith('{\n  "openapi": ')
    assert "Größe" in done.out
    assert "printed by main.py" in done.err


@pytest.mark.parametrize("base_path", ["", "/shop"])
def test_it_is_what_a_server_answers(openapi: Callable[..., Done], project: Project, base_path: str) -> None:
    project.write({"millpond.toml": f'base_path = "{base_path}"\n', "main.py": MAIN.replace("SERVERS)", "None)")})
    app = opened(project).app

    async def answered() -> Any:
        async with client_of(app) as client:
            return (await client.get(f"{base_path}/openapi.json")).json()

    answer = asyncio.run(answered())
    assert openapi().facts == answer
    assert ("servers" in answer) == bool(base_path)


def test_what_an_async_register_adds_is_in_it(openapi: Callable[..., Done], project: Project) -> None:
    project.write({"instrumentation.py": ASYNC_REGISTER})
    done = openapi("main:app")
    assert "/registered" in done.facts["paths"]
    assert "printed by register" in done.err


def test_a_folder_without_main_py_has_one_too(openapi: Callable[..., Done], project: Project) -> None:
    (project.folder / "main.py").unlink()
    assert list(openapi().facts["paths"]) == ["/items/{id}"]


def test_an_application_without_the_url_of_a_document_has_one(openapi: Callable[..., Done], project: Project) -> None:
    project.write({"main.py": MAIN.replace("title=", "openapi_url=None, title=")})
    assert openapi().facts["info"]["title"] == "Größe"


def test_a_document_that_the_project_makes_itself_is_taken(openapi: Callable[..., Done], project: Project) -> None:
    project.write({"main.py": f"{MAIN}\napp.openapi = lambda: {{'mine': True}}\n"})
    assert openapi().facts == {"mine": True}


def test_what_the_projects_code_raises_meanwhile_is_an_error(openapi: Callable[..., Done], project: Project) -> None:
    project.write({"main.py": f"{MAIN}\ndef mine():\n    raise ValueError('no document')\n\napp.openapi = mine\n"})
    done = openapi()
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("printed by main.py\nerror: the project's own code failed:\n")
    assert "ValueError: no document" in done.err


def test_a_file_is_written_whole_with_its_mode_and_where_the_caller_is(
    openapi: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "openapi.json"
    assert openapi("--output", "openapi.json").out == ""
    text = target.read_text("utf-8")
    assert text == openapi().out
    target.write_text("former", "utf-8")
    target.chmod(0o640)
    former = target.open("rb")
    (tmp_path / "link.json").symlink_to(target)
    assert openapi("--output", "link.json").code == 0
    assert (target.read_text("utf-8"), stat.S_IMODE(target.stat().st_mode)) == (text, 0o640)
    with former:
        assert former.read() == b"former"  # who reads it meanwhile reads all of it
    assert (tmp_path / "link.json").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.json", "openapi.json", "project"]


def test_a_pipe_is_written_to(openapi: Callable[..., Done], project: Project) -> None:
    del openapi
    done = execute("openapi", "--dir", str(project.folder), "--output", "/dev/stdout")
    assert done.facts["info"]["version"] == "2.1"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("nowhere/openapi.json", "{output} can't be written: there is no folder {parent}; make it first."),
        ("", "{output} is a folder; name a file in it."),
        ("project/main.py/openapi.json", "{output} can't be written: Not a directory."),
        ("x" * 300, "{output} can't be written: File name too long."),
    ],
)
def test_a_file_that_cannot_be_written_is_one_line(
    openapi: Callable[..., Done], tmp_path: Path, output: str, message: str
) -> None:
    target = tmp_path / output
    done = openapi("--output", str(target))
    assert (done.code, done.out) == (1, "")
    said = message.format(output=target, parent=target.parent)
    assert done.err == f"printed by main.py\nerror: {said}\n"


@pytest.mark.parametrize("is_there", [False, True])
def test_a_folder_that_may_not_be_written_is_one_line_and_the_former_file_stays(
    openapi: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    target = tmp_path / "openapi.json"
    if is_there:
        target.write_text("former", "utf-8")

    def refused(self: Path, content: bytes) -> int:
        raise PermissionError(13, "Permission denied", str(self))  # the superuser, who may run this, is refused nothing

    monkeypatch.setattr("pathlib.Path.write_bytes", refused)
    done = openapi("--output", str(target))
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[-1] == f"error: {target} can't be written: Permission denied."
    assert target.exists() is is_there
    assert not is_there or target.read_text("utf-8") == "former"


def test_a_disk_that_is_full_leaves_the_former_file(
    openapi: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "openapi.json"
    target.write_text("former", "utf-8")

    def half(self: Path, content: bytes) -> int:
        self.open("wb").close()
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr("pathlib.Path.write_bytes", half)
    assert openapi("--output", str(target)).err.endswith("can't be written: No space left on device.\n")
    assert target.read_text("utf-8") == "former"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["openapi.json"]
