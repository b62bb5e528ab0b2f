"""Shells complete commands, options and their values."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from cli_project import call, execute
from millpond.cli.terminal.commands import app

if TYPE_CHECKING:
    from pathlib import Path

BASH = shutil.which("bash") or ""


@pytest.fixture(scope="module")
def script() -> str:
    done = execute("completion", "bash")
    assert (done.code, done.err) == (0, "")
    return done.out


def proposed(script: str, folder: Path, *words: str) -> list[str]:
    """What bash proposes for the last of the words of a command line."""
    asked = (
        f"{script}\nCOMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}\n"
        'COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}\n_millpond\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run([BASH, "-c", asked], capture_output=True, text=True, cwd=folder, check=True)
    return sorted(done.stdout.split())


@pytest.mark.skipif(not BASH, reason="needs bash")
def test_bash_completes_commands_options_and_values(script: str, tmp_path: Path) -> None:
    commands = proposed(script, tmp_path, "millpond", "")
    assert {"new", "dev", "build", "start", "routes", "completion"} <= set(commands)
    assert "--install-completion" in proposed(script, tmp_path, "millpond", "--")
    assert proposed(script, tmp_path, "millpond", "re") == ["refresh", "revalidate"]
    assert {"ls", "show", "purge", "prune"} <= set(proposed(script, tmp_path, "millpond", "cache", ""))
    assert proposed(script, tmp_path, "millpond", "start", "--ssl-k") == ["--ssl-keyfile", "--ssl-keyfile-password"]
    assert proposed(script, tmp_path, "millpond", "start", "--log-format", "") == ["json", "text"]
    (tmp_path / "site").mkdir()
    assert proposed(script, tmp_path, "millpond", "dev", "--dir", "si") == ["site"]


@pytest.mark.parametrize("shell", ["zsh", "fish", "powershell"])
def test_other_shells_have_scripts_with_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shell: str
) -> None:
    done = call(tmp_path, capsys, "completion", shell)
    assert done.code == 0
    for command in app.resolved_commands():
        assert command.lstrip("-") in done.out


def test_it_is_installed_where_the_shell_finds_it(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "SHELL": BASH, "BASH_VERSION": "5"}
    for arguments in (["completion", "bash", "--install"], ["--install-completion"]):
        done = execute(*arguments, **home)
        path = tmp_path / ".local/share/bash-completion/completions/millpond"
        assert (done.code, done.err) == (0, "")
        assert done.out == f"the completion is in {path}; it works in shells that start from now on\n"
        assert "_millpond" in path.read_text()
        path.unlink()


def test_a_shell_that_is_unknown_is_an_error_that_lists_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(tmp_path, capsys, "completion", "csh")
    assert done.code == 2
    assert "Choose from: " in done.err
    assert all(f'"{shell}"' in done.err for shell in ("bash", "zsh", "fish", "powershell"))
