"""What checks a new project: type checkers and a linter, as its own configuration has them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cli_project import call

if TYPE_CHECKING:
    from pathlib import Path

WRONG = 'def GET() -> int:\n    return "one"\n'
RELATIVE = "from ..shared import one\n\n\ndef GET(slug: list[str]) -> str:\n    return one(slug)\n"


@pytest.fixture
def pond(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "pond"
    assert call(folder, capsys, "new", str(folder)).code == 0
    return folder


def checked(folder: Path, *command: str) -> tuple[int, str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_mypy_checks_files_in_folders_that_no_module_can_be_named_for(pond: Path) -> None:
    mypy = (sys.executable, "-m", "mypy")
    write(
        pond,
        **{
            "app/users/[id]/route.py": WRONG,
            "app/(site)/[id]/about/route.py": WRONG,
            "app/feed.xml/route.py": WRONG,
            "app/docs/shared.py": "def one(given: int) -> str:\n    return str(given)\n",
            "app/docs/[...slug]/route.py": RELATIVE,
        },
    )
    code, out = checked(pond, *mypy, ".")
    assert code == 1, out
    assert {line.partition(": error")[0] for line in out.splitlines() if ": error" in line} == {
        "app/users/[id]/route.py:2",
        "app/(site)/[id]/about/route.py:2",
        ".mypy_cache/millpond/app/feed_xml/route.py:2",
        ".mypy_cache/millpond/app/docs/_slug_/route.py:5",
    }
    for mended in ("users/[id]", "(site)/[id]/about", "feed.xml"):
        write(pond, **{f"app/{mended}/route.py": WRONG.replace("int", "str")})
    shutil.rmtree(pond / "app" / "docs")
    write(pond, **{"app/added/[id]/route.py": WRONG})  # after mypy has cached what main.py depends on
    code, out = checked(pond, *mypy, ".")
    assert out.splitlines()[0].startswith("app/added/[id]/route.py:2: error"), out
    assert "Found 1 error in 1 file" in out
    code, out = checked(pond, *mypy, "app/added/[id]/route.py")
    assert "Found 1 error in 1 file" in out


def test_pyright_in_its_strict_mode_finds_nothing(pond: Path) -> None:
    pyright = shutil.which("pyright") or shutil.which("basedpyright")
    if pyright is None:
        pytest.skip("pyright isn't installed")
    code, out = checked(pond, pyright, "--pythonpath", sys.executable)
    assert (code, out.splitlines()[-1][:8]) == (0, "0 errors"), out


def test_ruff_finds_nothing_by_its_defaults(pond: Path) -> None:
    for command in (("check",), ("check", "--isolated"), ("format", "--check"), ("format", "--check", "--isolated")):
        code, out = checked(pond, sys.executable, "-m", "ruff", *command, "--no-cache", ".")
        assert code == 0, out
