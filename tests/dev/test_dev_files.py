from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from millpond.dev.watched_files import changed, digests_of, is_watched

if TYPE_CHECKING:
    from ponds import Project


@pytest.mark.parametrize(
    "path",
    [
        "app/route.py",
        "app/[id]/route.py",
        "shop/db.py",
        "instrumentation.py",
        "millpond.toml",
        "pyproject.toml",
        "app/.well-known/x/route.py",
        "app/icon.png",
        "app/robots.txt",
        "app/(shop)/[slug]/opengraph-image1.jpg",
        "main.py",
        "src/shop/millpond.toml",
        "src/shop/pages/robots.txt",
    ],
)
def test_python_the_configuration_and_metadata_files_count(path: str) -> None:
    assert is_watched(path)


@pytest.mark.parametrize(
    "path",
    [
        "shop.db",
        "shop.db-wal",
        "README.md",
        "icon.png",
        "app/photo.png",
        "app/__pycache__/icon.png",
        ".millpond/build/x.py",
        ".venv/lib/x.py",
        "venv/x.py",
        ".git/hooks/x.py",
        "app/__pycache__/route.cpython-311.pyc",
        "node_modules/x/x.py",
    ],
)
def test_data_and_folders_of_tools_do_not(path: str) -> None:
    assert not is_watched(path)


def test_a_change_is_another_text_a_new_file_or_one_that_is_gone(project: Project) -> None:
    project.write({"a.py": "1", "b.py": "1", "c.py": "1", "data.db": "1"})
    before = digests_of(project.folder)
    project.write({"a.py": "2", "b.py": "1", "d.py": "1", "data.db": "2"})
    (project.folder / "c.py").unlink()
    assert changed(before, digests_of(project.folder)) == ["a.py", "c.py", "d.py"]


def test_a_file_that_is_written_again_with_the_same_text_has_not_changed(project: Project) -> None:
    project.write({"a.py": "1"})
    before = digests_of(project.folder)
    project.write({"a.py": "1"})
    assert changed(before, digests_of(project.folder)) == []


def test_folders_of_tools_are_not_looked_into(project: Project) -> None:
    project.write({"app/route.py": "", ".venv/lib/x.py": "", "__pycache__/x.py": ""})
    assert list(digests_of(project.folder)) == ["app/route.py"]


def test_a_file_that_cant_be_read_is_left_to_whoever_imports_it(project: Project) -> None:
    project.write({"app/route.py": "1"})
    (project.folder / "app" / "gone.py").symlink_to(project.folder / "nowhere.py")
    assert list(digests_of(project.folder)) == ["app/route.py"]
