"""A cache folder that somebody else owns, as volumes are, and one that this user may not use."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from other_users import GROUP, OTHER, OWNER, needed, said_by

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = needed


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that all may enter, unlike that of the tests."""
    with tempfile.TemporaryDirectory(prefix="millpond-") as name:
        place = Path(name)
        place.chmod(0o711)
        yield place


def volume(place: Path, mode: int, user: int = OWNER, group: int = OWNER) -> Path:
    folder = place / "volume"
    folder.mkdir()
    os.chown(folder, user, group)
    folder.chmod(mode)
    return folder


def about(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def use(folder: Path) -> str:
    return f"asyncio.run(use({str(folder)!r}))"


@pytest.mark.parametrize("below", [".", "cache"])
def test_a_volume_that_everybody_may_write_is_used_and_left_as_it_is(place: Path, below: str) -> None:
    folder = volume(place, 0o1777)
    assert said_by(OTHER, use(folder / below)) == "1"
    assert about(folder) == (OWNER, OWNER, 0o1777)
    assert about(folder / below / "data.mdb") == (OTHER, OTHER, 0o600)


def test_a_volume_of_the_superuser_that_a_group_may_write_is_used(place: Path) -> None:
    folder = volume(place, 0o2770, user=0, group=GROUP)
    assert said_by(OTHER, use(folder), groups=(GROUP,)) == "1"
    assert about(folder) == (0, GROUP, 0o2770)


def test_a_folder_of_ones_own_that_others_may_read_is_left_so(place: Path) -> None:
    folder = volume(place, 0o755)
    assert said_by(OWNER, use(folder)) == "1"
    assert about(folder) == (OWNER, OWNER, 0o755)


def test_a_folder_that_only_its_owner_may_write_is_refused_with_what_to_do(place: Path) -> None:
    folder = volume(place, 0o755)
    said = said_by(OTHER, use(folder))
    assert said.startswith(f"StoreError the store can't be opened in {folder}: Permission denied. Make that folder")
    assert f"{folder} belongs to uid {OWNER} (drwxr-xr-x), and this process runs as uid {OTHER}" in said
    assert f"chown -R {OTHER} {folder}" in said
    assert said_by(OTHER, use(folder / "deeper" / "cache")).count("belongs to") == 1


def test_files_that_another_user_has_made_are_named(place: Path) -> None:
    folder = volume(place, 0o777)
    assert said_by(OWNER, use(folder)) == "1"
    said = said_by(OTHER, use(folder))
    assert f"data.mdb belongs to uid {OWNER} (-rw-------), and this process runs as uid {OTHER}" in said
    assert f"chown -R {OTHER} {folder}" in said


def test_who_may_not_come_that_far_is_told_where_it_ends(place: Path) -> None:
    folder = volume(place, 0o700)
    said = said_by(OTHER, use(folder / "project" / "cache"))
    assert f"{folder} belongs to uid {OWNER} (drwx------)" in said
    assert "give that user access" in said


def test_a_build_of_another_user_is_refused_with_what_to_do(place: Path) -> None:
    build = place / ".millpond" / "build"
    build.mkdir(parents=True)
    (build / "manifest.json").write_text("{}")
    build.chmod(0o700)
    said = said_by(OTHER, f"read_manifest(Path({str(place)!r}))")
    assert said.startswith("BuildError ")
    assert "can't be read: Permission denied. " in said
    assert f"{build} belongs to root (uid 0) (drwx------), and this process runs as uid {OTHER}" in said
    assert f"chown -R {OTHER} {build}" in said
    build.chmod(0o755)
    (build / "manifest.json").chmod(0o600)
    assert "manifest.json belongs to root" in said_by(OTHER, f"read_manifest(Path({str(place)!r}))")
