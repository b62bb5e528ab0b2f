from __future__ import annotations

import tomllib
from pathlib import Path
from typing import get_args

import pytest

from cli_project import call
from millpond.cli import new as new_command
from millpond.cli.new import EXAMPLES, ExampleName

REPOSITORY = Path(__file__).parents[2]


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_new_project_has_one_of_each_kind_of_route(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my-pond"
    assert call(folder, capsys, "new", str(folder)).code == 0
    done = call(folder, capsys, "build", "--dir", str(folder), "--json")
    assert {pattern: (route["glyph"], route["revalidate"]) for pattern, route in done.facts["routes"].items()} == {
        "/": ("○", False),
        "/notes": ("○", False),
        "/notes/[id]": ("●", False),
        "/robots.txt": ("○", False),
        "/search": ("λ", None),
        "/time": ("○", 60),
    }
    assert done.facts["warnings"] == []


def test_a_new_project_has_its_own_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my-pond"
    call(folder, capsys, "new", str(folder))
    about = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert (about["name"], about["dependencies"], about["requires-python"]) == ("my-pond", ["millpond"], ">=3.11")
    assert 'title="my-pond"' in (folder / "main.py").read_text()
    assert (folder / "README.md").read_text().startswith("# my-pond\n")
    assert [path for path in files(folder) if "starter" in (folder / path).read_text()] == []
    assert {".gitignore", "millpond.toml", "tests/conftest.py", "app/notes/[id]/route.py"} < files(folder)


def test_what_to_do_next_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(tmp_path, capsys, "new", "one").out == "one is ready. Try:\n\n    cd one\n    millpond dev\n"
    assert "    cd 'my own/two'\n" in call(tmp_path, capsys, "new", "my own/two", "--example", "minimal").out
    shop = call(tmp_path, capsys, "new", "three", "--example", "shop").out
    assert "    cd three\n    pip install -r requirements.txt\n    millpond dev\n" in shop
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert call(tmp_path, capsys, "new", ".").out == "here is ready. Try:\n\n    millpond dev\n"


def test_every_example_of_the_repository_can_be_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = {path.name for path in (REPOSITORY / "examples").iterdir()}
    assert there == set(EXAMPLES) == set(get_args(ExampleName))
    for name in EXAMPLES:
        folder = tmp_path / f"a-{name}"
        assert call(folder, capsys, "new", str(folder), "--example", name).code == 0
        assert {"README.md", "pyproject.toml"} < files(folder)
        assert not [path for path in files(folder) if "__pycache__" in path or path.endswith(".db")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), 'Command "new" parameter NAME requires an argument.'),
        (
            ("x", "--example"),
            'Command "new" parameter --example requires an argument. Choose from: starter, minimal, shop, components.',
        ),
        (
            ("x", "--example", "shpo"),
            'Invalid value "shpo" for --example. Choose from: "starter", "minimal", "shop", "components". '
            'Did you mean "shop"?',
        ),
    ],
)
def test_what_is_missing_or_unknown_is_said_with_the_choices(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = call(tmp_path, capsys, "new", *arguments)
    assert (done.code, done.err) == (2, f"error: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_may_have_what_tools_have_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (".git", ".venv", ".idea"):
        (tmp_path / "pond" / name).mkdir(parents=True)
    assert call(tmp_path, capsys, "new", str(tmp_path / "pond")).code == 0


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "pond"
    folder.mkdir()
    (folder / "millpond.toml").write_text("mine")
    done = call(tmp_path, capsys, "new", str(folder))
    assert done.code == 1
    assert done.err == (
        f"error: {folder} exists and isn't an empty folder: it has millpond.toml; choose another name.\n"
    )
    assert [path.name for path in folder.iterdir()] == ["millpond.toml"]
    assert (folder / "millpond.toml").read_text() == "mine"


def test_a_file_in_the_way_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pond").write_text("mine")
    for folder, reason in (
        (tmp_path / "pond", "exists and isn't a folder; choose another name."),
        (tmp_path / "pond" / "inner", "can't be written: Not a directory."),
    ):
        done = call(tmp_path, capsys, "new", str(folder))
        assert done.code == 1
        assert done.err.endswith(f"{reason}\n")
        assert done.err.count("\n") == 1
    assert (tmp_path / "pond").read_text() == "mine"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_half_way_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    copied = new_command._files

    def some(*arguments: str) -> object:
        yield from list(copied(*arguments))[:3]  # type: ignore[arg-type]
        raise error

    monkeypatch.setattr(new_command, "_files", some)
    (tmp_path / "there").mkdir()
    done = call(tmp_path, capsys, "new", str(tmp_path / "there" / "deep" / "pond"))
    assert done.code == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.parametrize("name", ["a b", ".hidden", "-dash", "naïve", 'quo"te', "dash-", "dot.", ".."])
def test_a_name_that_folders_and_packages_have_trouble_with_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    done = call(tmp_path, capsys, "new", str(tmp_path / name))
    assert done.code == 1
    assert "can't be a project's name" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["millpond", "FastAPI", "python_multipart"])
def test_a_name_of_a_package_that_it_needs_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    done = call(tmp_path, capsys, "new", str(tmp_path / name))
    assert done.code == 1
    assert f'"{name}" is the name of a package that the project depends on' in done.err
    assert list(tmp_path.iterdir()) == []
