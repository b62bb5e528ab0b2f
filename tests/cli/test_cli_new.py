from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli_project import call

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_project_builds_with_a_static_and_a_fresh_route(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my-pond"
    assert call(folder, capsys, "new", str(folder)).code == 0
    done = call(folder, capsys, "build", "--dir", str(folder), "--json")
    assert {pattern: route["glyph"] for pattern, route in done.facts["routes"].items()} == {
        "/": "○",
        "/hello/[name]": "●",
    }
    assert set(done.facts["prerendered"]) == {"/", "/hello/world"}
    assert done.facts["warnings"] == []


def test_a_new_project_says_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my-pond"
    done = call(folder, capsys, "new", str(folder))
    assert "millpond dev" in done.out
    readme = (folder / "README.md").read_text()
    assert readme.startswith("# my-pond\n")
    assert "millpond build" in readme
    assert "millpond start" in readme
    assert ".millpond/" in (folder / ".gitignore").read_text().splitlines()


def test_an_empty_folder_may_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pond").mkdir()
    assert call(tmp_path, capsys, "new", str(tmp_path / "pond")).code == 0


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "pond"
    folder.mkdir()
    (folder / "millpond.toml").write_text("mine")
    done = call(tmp_path, capsys, "new", str(folder))
    assert done.code == 1
    assert "isn't an empty folder; choose another name" in done.err
    assert [path.name for path in folder.iterdir()] == ["millpond.toml"]
    assert (folder / "millpond.toml").read_text() == "mine"


def test_a_file_in_the_way_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pond").write_text("mine")
    assert call(tmp_path, capsys, "new", str(tmp_path / "pond")).code == 1
    assert call(tmp_path, capsys, "new", str(tmp_path / "pond" / "inner")).code == 1


@pytest.mark.parametrize("name", ["a b", ".hidden", "-dash", "naïve", 'quo"te'])
def test_a_name_that_folders_and_packages_have_trouble_with_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    done = call(tmp_path, capsys, "new", str(tmp_path / name))
    assert done.code == 1
    assert "can't be a project's name" in done.err
    assert list(tmp_path.iterdir()) == []
