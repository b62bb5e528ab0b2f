from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import millpond
from cli_project import STATIC, call, execute

if TYPE_CHECKING:
    from pathlib import Path

    from ponds import Project

COMMANDS = ("new", "dev", "build", "start", "routes", "explain")


def test_version_is_one_line_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(tmp_path, capsys, "--version")
    assert (done.code, done.out) == (0, f"millpond {millpond.__version__}\n")


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_help_names_every_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    done = call(tmp_path, capsys, *arguments)
    assert done.code == 0
    assert all(f" {command} " in done.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    done = call(tmp_path, capsys, command, "--help")
    assert done.code == 0
    assert f"millpond {command}" in done.out


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [(["bild"], "build"), (["build", "--jso"], "--json"), (["start", "--prot", "1"], "--port")],
)
def test_a_misspelt_command_or_option_is_answered_with_a_suggestion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], suggestion: str
) -> None:
    done = call(tmp_path, capsys, *arguments)
    assert done.code == 2
    assert suggestion in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("port", ["no", "-1", "65536"])
def test_a_port_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], port: str) -> None:
    done = call(tmp_path, capsys, "start", "--port", port)
    assert done.code == 2
    assert "--port" in done.err


@pytest.mark.parametrize("command", [["build"], ["start"], ["routes"], ["explain", "/"]])
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there is no application in "),
        ({"app/route.py": "def GET(:\n"}, "app/route.py:1: invalid syntax"),
        ({"app/a/route.py": STATIC, "app/(b)/a/route.py": STATIC}, "app/a/route.py both answer /a"),
        ({"app/route.py": "revalidate = 'often'\n\ndef GET(): ...\n"}, "app/route.py:1: "),
        ({"app/route.py": STATIC, "millpond.toml": "compaat = '16'\n"}, 'did you mean "compat"?'),
        ({"app/route.py": STATIC, "millpond.toml": "compat ="}, "millpond.toml is not valid TOML"),
    ],
)
def test_what_the_user_has_to_mend_is_one_error_with_exit_code_1(
    project: Project, capsys: pytest.CaptureFixture[str], command: list[str], files: dict[str, str], message: str
) -> None:
    project.write(files)
    done = call(project.folder, capsys, *command, "--dir", str(project.folder))
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert message in done.err.replace("(b)/", "").replace("\n", " ")
    assert "Traceback" not in done.err


def test_python_m_millpond_is_the_command() -> None:
    done = execute("--version")
    assert (done.code, done.out) == (0, f"millpond {millpond.__version__}\n")


def test_a_mistake_is_one_line_that_is_whole_however_long_it_is(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(project.folder, capsys, "start", "--log-level", 100 * "x")
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert done.err.endswith('"critical".\n')
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("columns", [None, "40"])
def test_an_error_is_one_line_with_its_path_whole_whatever_the_width(project: Project, columns: str | None) -> None:
    missing = project.folder / "/".join(["a-folder-that-is-not-there"] * 8)
    width = {} if columns is None else {"COLUMNS": columns}
    done = execute("build", "--dir", str(missing), **width)
    assert done.err == f"error: there is no folder {missing}; give the project's with --dir.\n"
    done = execute("start", "--log-level", "x" * 200, **width)
    assert done.err.startswith(f'error: Invalid value "{"x" * 200}" for --log-level. Choose from: ')
    assert len(done.err.splitlines()) == 1
