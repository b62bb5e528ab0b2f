"""Which files of `public/` are served, and what they may not have in common with routes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cli_project import STATIC, call
from millpond.config import parse_config
from millpond.errors import ConfigError, RouteError
from millpond.routes.public.public_folder import PublicFolder, PublicListing
from millpond.testing import TestClient

if TYPE_CHECKING:
    from pathlib import Path

    from ponds import Project


def listing(folder: Path) -> PublicListing:
    return PublicFolder(folder / "public", folder).listed()


def test_hidden_files_links_that_lead_out_and_what_is_no_file_are_left_out(project: Project) -> None:
    project.write(
        {"public/a.txt": "", "public/.hidden": "", "public/.git/x": "", "public/b/.DS_Store": "", "s.txt": ""}
    )
    project.write({"public/.well-known/x": "", "public/.well-known/.y": "", "public/b/.well-known/z": ""})
    public = project.folder / "public"
    (public / "out").symlink_to(project.folder / "s.txt")
    (public / "b" / "above").symlink_to(project.folder)
    (public / "inside").symlink_to("a.txt")
    (public / "b" / "circle").symlink_to("..")
    (public / "nowhere").symlink_to("missing")
    os.mkfifo(public / "pipe")
    found = listing(project.folder)
    assert sorted(found.files) == ["/.well-known/x", "/a.txt", "/inside"]
    assert sorted(found.notes) == [
        "public/b/above leads out of public/, so it isn't served",
        "public/out leads out of public/, so it isn't served",
    ]


def test_the_folder_itself_may_be_a_link(project: Project) -> None:
    project.write({"shared/a.txt": "a"})
    (project.folder / "public").symlink_to("shared")
    assert list(listing(project.folder).files) == ["/a.txt"]


@pytest.mark.skipif(sys.platform == "darwin", reason="its names are Unicode")
def test_a_name_that_no_url_can_have_is_told(project: Project) -> None:
    (project.folder / "public").mkdir()
    (project.folder / "public" / os.fsdecode(b"caf\xe9")).touch()
    found = listing(project.folder)
    assert (found.files, found.notes) == ({}, ["public/caf\\udce9 has a name that isn't UTF-8, so no URL has it"])


def test_without_the_folder_there_is_nothing_and_no_request_looks_for_it(project: Project) -> None:
    pond = project.pond()
    assert (pond.published.listing.files, pond.published.files) == ({}, None)


@pytest.mark.parametrize(
    ("route", "file", "pattern"),
    [
        ("app/logo.png/route.py", "public/logo.png", "/logo.png"),
        ("app/favicon.ico", "public/favicon.ico", "/favicon.ico"),
    ],
)
@pytest.mark.parametrize("development", [False, True])
def test_a_file_and_a_route_file_with_one_url_are_an_error(
    project: Project, route: str, file: str, pattern: str, development: bool
) -> None:
    project.write({route: STATIC, file: "x"})
    with pytest.raises(RouteError, match=f"^{file} and {route} both answer {pattern}; remove or rename one of them.$"):
        project.pond(development=development)


@pytest.mark.anyio
async def test_in_development_a_conflict_is_told_when_the_file_comes(project: Project) -> None:
    project.routes({"/a.txt": STATIC})
    async with project.started(development=True) as running:
        assert (await running.get("/a.txt")).status_code == 200
        project.write({"public/a.txt": "x"})
        assert (await running.get("/a.txt")).status_code == 500


def test_a_file_takes_its_path_out_of_a_pattern(project: Project) -> None:
    project.write({"public/a.txt": "a", "public/docs/b.txt": "b", "app/[[...path]]/route.py": STATIC})
    project.routes({"/docs": STATIC.replace("world", "docs")})
    with TestClient(project.pond()) as client:
        assert [client.get(path).text for path in ("/a.txt", "/docs/b.txt")] == ["a", "b"]
        assert [client.get(path).json()["hello"] for path in ("/a", "/docs")] == ["world", "docs"]


def test_what_a_file_hides_is_a_warning(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    pages = STATIC.replace(
        "def GET():", 'def generate_static_params():\n    return [{"p": "b.txt"}]\n\n\ndef GET(p: str):'
    )
    main = """
        from fastapi import APIRouter
        from millpond import Millpond

        app, router = Millpond("app"), APIRouter()

        @app.get("/a.txt")
        def a():
            return 1

        @router.get("/c.txt")
        def c():
            return 1

        app.include_router(router, prefix="/in")
    """
    files = {f"public/{name}": "x" for name in ("a.txt", "b.txt", "in/c.txt", "openapi.json")}
    project.write({"app/[p]/route.py": pages, "main.py": main, **files})
    declared = [
        f"public{path} hides the route that code declares for {path}; remove or rename one of them."
        for path in ("/openapi.json", "/a.txt", "/in/c.txt")
    ]
    done = call(project.folder, capsys, "routes", "--dir", str(project.folder), "--json")
    assert sorted(done.facts["warnings"][1:]) == sorted(declared)
    done = call(project.folder, capsys, "build", "--dir", str(project.folder), "--json")
    rendered = "public/b.txt hides /b.txt, which app/[p]/route.py has rendered; remove or rename one of them."
    assert sorted(done.facts["warnings"]) == sorted([*declared, rendered])


def test_commands_say_what_is_served_as_it_is(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.write({"public/a.txt": "x" * 1000, "public/a.txt.gz": "x" * 100})
    project.routes({"/": STATIC})
    where = ("--dir", str(project.folder))
    public = {"folder": "public", "files": 2, "bytes": 1100}
    assert call(project.folder, capsys, "build", *where, "--json").facts["public"] == public
    assert call(project.folder, capsys, "routes", *where, "--json").facts["public"] == public
    assert "2 files, 1.1 kB" in call(project.folder, capsys, "build", *where).out
    assert "2 files, 1.1 kB" in call(project.folder, capsys, "routes", *where).out
    told = call(project.folder, capsys, "explain", "/a.txt", *where, "--json").facts
    assert (told["file"], told["mode"], told["methods"]) == ("public/a.txt", "file", ["GET", "HEAD"])
    assert told["rule"] == 'public/a.txt as it is, 1.0 kB; compressed, to clients that accept it: "a.txt.gz"'
    moved = call(project.folder, capsys, "explain", "/a.txt/", *where, "--json").facts
    assert (moved["status"], moved["location"]) == (308, "/a.txt")


@pytest.mark.parametrize("folder", [".", "..", "../x", "/srv", "a//b", "public/", ".hidden", "a/.git", "a\\b"])
def test_the_folder_is_one_of_the_project_that_is_not_hidden(folder: str) -> None:
    said: dict[str, Any] = {"public_dir": folder}
    with pytest.raises(ConfigError, match=r'"public_dir" is .* must be a folder in the project'):
        parse_config(said, "millpond.toml")


def test_what_runs_for_a_file_is_nothing(project: Project) -> None:
    project.write({"public/a.txt": "a"})
    with (
        TestClient(project.pond()) as client,
        pytest.raises(Exception, match=r"/a.txt is the file public/a.txt: no route"),
    ):
        client.why_live("/a.txt")
