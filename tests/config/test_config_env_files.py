"""`.env` files: what they may say, and that they never replace the environment's variables."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import other_users
from millpond.config import env_files_read, forget_env_files, read_env_files
from millpond.config.project.env_files import ENV_FILES
from millpond.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = [f"MP_{letter}" for letter in "ABCDEFG"]


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    yield
    forget_env_files()


def read(folder: Path, text: str | bytes, local: str | None = None) -> list[str]:
    """Read `.env` and `.env.local`, and return what is warned of."""
    (folder / ".env").write_bytes(text if isinstance(text, bytes) else text.encode())
    if local is not None:
        (folder / ".env.local").write_text(local)
    return read_env_files(folder, ENV_FILES)


def values() -> dict[str, str]:
    return {name[3:]: os.environ[name] for name in NAMES if name in os.environ}


def test_the_local_file_comes_before_the_other_and_the_environment_before_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MP_C", "environment")
    monkeypatch.setenv("MP_D", "")  # set to nothing is set
    assert read(tmp_path, "MP_A=file\nMP_B=file\nMP_C=file\nMP_D=file", "MP_B=local\nMP_C=local\n") == []
    assert values() == {"A": "file", "B": "local", "C": "environment", "D": ""}


def test_what_a_file_may_say(tmp_path: Path) -> None:
    text = """\
# a comment
MP_A=plain   # and another
export MP_B = 'single # quoted'
MP_C="first
second"

MP_D=
MP_E="${MP_A}/${MP_MISSING:-default}"
MP_F="a\\tb"
"""
    assert read(tmp_path, text) == []
    assert values() == {
        "A": "plain",
        "B": "single # quoted",
        "C": "first\nsecond",
        "D": "",
        "E": "plain/default",
        "F": "a\tb",
    }


def test_a_reference_means_the_value_that_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MP_A", "environment")
    read(tmp_path, "MP_A=file\nMP_B=file\nMP_C=${MP_A}/${MP_B}\n", "MP_B=local\n")
    assert os.environ["MP_C"] == "environment/local"


def test_a_file_from_windows_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, b'\xef\xbb\xbfMP_A=one\r\nMP_B="two"\r\nbad line\r\n') == [
        ".env:3: this can't be read as NAME=value, so it is ignored."
    ]
    assert values() == {"A": "one", "B": "two"}


def test_lines_that_say_nothing_are_named_by_number_and_not_shown(tmp_path: Path) -> None:
    notes = read(tmp_path, "MP_A=1\nsk-secret hunter2\nhunter3\n\nMP_B='open\n", "also wrong\n")
    assert notes == [
        ".env:2: this can't be read as NAME=value, so it is ignored.",
        '.env:3: there is no "=" here, so nothing is set; write NAME= for an empty value.',
        ".env:5: this can't be read as NAME=value, so it is ignored.",
        ".env.local:1: this can't be read as NAME=value, so it is ignored.",
    ]
    assert values() == {"A": "1"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"MP_A=1\nMP_B=\xff\n", ".env:2: this isn't UTF-8; save "),
        (b"MP_A=a\0b\n", "has a variable that can't be set: embedded null byte."),
    ],
)
def test_what_cannot_be_a_variable_is_an_error(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, content)
    assert says in str(caught.value)
    assert "a\0b" not in str(caught.value)


@other_users.needed
def test_a_file_that_this_user_may_not_read_is_an_error_that_says_whose_it_is() -> None:
    with tempfile.TemporaryDirectory(prefix="millpond-") as folder:
        file = Path(folder) / ".env"
        file.parent.chmod(0o755)
        file.write_text("MP_A=1")
        file.chmod(0o600)
        work = f"from millpond.config import read_env_files; read_env_files(Path({folder!r}), ['.env'])"
        said = other_users.said_by(other_users.OTHER, work)
    assert said.startswith(f"ConfigError {file} can't be read: Permission denied. {file} belongs to root (uid 0)")


def test_a_folder_called_like_the_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()  # a virtual environment, for example
    assert read_env_files(tmp_path, ENV_FILES) == []


def test_a_link_to_nothing_is_no_file(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(tmp_path / "gone")
    assert read_env_files(tmp_path, ENV_FILES) == []


@pytest.mark.parametrize("name", ["n" * 300, "loop"])
def test_a_file_that_cannot_be_looked_at_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigError, match=r"can't be read: (File name too long|Too many levels of symbolic links)\."):
        read_env_files(tmp_path, [name])


def test_a_password_manager_may_answer_through_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")
    writer = threading.Thread(target=(tmp_path / ".env").write_text, args=("MP_A=piped\n",))
    writer.start()
    read_env_files(tmp_path, ENV_FILES)
    writer.join()
    assert values() == {"A": "piped"}


def test_after_a_block_only_what_was_set_within_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "before").write_text("MP_A=1\n")
    (tmp_path / "within").write_text("MP_A=2\nMP_B=2\nMP_C=2\n")
    read_env_files(tmp_path, ["before"])
    with env_files_read(tmp_path, ["within"]):
        assert values() == {"A": "1", "B": "2", "C": "2"}
        monkeypatch.setenv("MP_C", "changed")
    assert values() == {"A": "1", "C": "changed"}
    forget_env_files()
    assert values() == {"C": "changed"}
