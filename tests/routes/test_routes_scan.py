from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from routes_project import scan_routes, write, write_routes

from millpond.errors import RouteError
from millpond.routes.scan import scan

if TYPE_CHECKING:
    from pathlib import Path


def patterns(project: Path, *folders: str) -> list[str]:
    return [file.pattern for file in scan_routes(project, *folders)]


def refusal(project: Path, *folders: str) -> str:
    with pytest.raises(RouteError) as caught:
        scan_routes(project, *folders)
    return str(caught.value)


@pytest.mark.parametrize(
    ("folder", "pattern"),
    [
        ("", "/"),
        ("products/[slug]", "/products/[slug]"),
        ("(g)/a/@s/b", "/a/b"),
        ("(g)", "/"),
        ("a/route", "/a/route"),
        ("rss.xml", "/rss.xml"),
        ("api/hello.json", "/api/hello.json"),
        ("%5Fx", "/_x"),
        ("docs/[[...path]]", "/docs/[[...path]]"),
        ("files/[...path]/(g)", "/files/[...path]"),
        (".well-known/security.txt", "/.well-known/security.txt"),
    ],
)
def test_the_folders_below_app_are_the_url(tmp_path: Path, folder: str, pattern: str) -> None:
    assert patterns(tmp_path, folder) == [pattern]


def test_a_route_file_knows_its_place_and_its_parameters(tmp_path: Path) -> None:
    (file,) = scan_routes(tmp_path, "(shop)/products/[slug]")
    assert file.path == tmp_path / "app/(shop)/products/[slug]/route.py"
    assert file.file == "app/(shop)/products/[slug]/route.py"
    assert [segment.name for segment in file.segments] == ["products", "slug"]
    assert [segment.name for segment in file.params] == ["slug"]


def test_an_app_folder_deeper_in_the_project_keeps_its_way_there(tmp_path: Path) -> None:
    write(tmp_path, {"src/app/a/route.py": ""})
    (file,) = scan(tmp_path / "src/app", tmp_path)
    assert (file.file, file.pattern) == ("src/app/a/route.py", "/a")


def test_an_app_folder_outside_the_project_is_called_by_its_own_name(tmp_path: Path) -> None:
    write(tmp_path, {"one/app/a/route.py": "", "two/millpond.toml": ""})
    (file,) = scan(tmp_path / "one/app", tmp_path / "two")
    assert file.file == "app/a/route.py"


def test_routes_come_in_the_order_in_which_they_match(tmp_path: Path) -> None:
    folders = ["a/[...s]", "a/[id]", "a", "a/b", "[[...all]]", "a/[id]/c", "z", "a/[id]/[k]", "a/b/[...q]"]
    assert patterns(tmp_path, *folders) == [
        "/a",
        "/a/b",
        "/a/b/[...q]",
        "/a/[id]",
        "/a/[id]/c",
        "/a/[id]/[k]",
        "/a/[...s]",
        "/z",
        "/[[...all]]",
    ]


def test_private_hidden_and_cache_folders_hold_no_routes(tmp_path: Path) -> None:
    assert patterns(tmp_path, "a", "_lib", "_lib/deep", "a/_x/y", "__pycache__", ".git", "a/.venv/x") == ["/a"]


def test_only_a_file_called_route_py_is_a_route(tmp_path: Path) -> None:
    names = ["page.py", "layout.py", "routes.py", "route.txt", "data/route.pyi", "other.route.py"]
    app = write(tmp_path, {f"app/{name}": "" for name in names})
    (app / "route.py").mkdir()
    assert scan(app, tmp_path) == []


def test_a_bad_folder_name_without_a_route_below_is_nobodys_business(tmp_path: Path) -> None:
    app = write(tmp_path, {"app/[[x]]/notes.txt": "", "app/route.py": ""})
    assert [file.pattern for file in scan(app, tmp_path)] == ["/"]


def test_a_bad_folder_name_above_a_route_is_an_error(tmp_path: Path) -> None:
    assert refusal(tmp_path, "a/[[x]]").startswith('app/a/[[x]]/route.py: the folder "[[x]]"')


def test_a_loop_of_symbolic_links_ends(tmp_path: Path) -> None:
    app = write_routes(tmp_path, "a")
    (app / "a/again").symlink_to(app, target_is_directory=True)
    (app / "broken").symlink_to(app / "nowhere")
    assert [file.pattern for file in scan(app, tmp_path)] == ["/a"]


def test_a_linked_folder_has_its_routes_under_both_names(tmp_path: Path) -> None:
    app = write_routes(tmp_path, "a")
    (app / "b").symlink_to(app / "a", target_is_directory=True)
    assert [file.pattern for file in scan(app, tmp_path)] == ["/a", "/b"]


def test_a_missing_app_folder_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(RouteError, match="millpond new NAME"):
        scan(tmp_path / "app", tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_an_error(tmp_path: Path) -> None:
    app = write_routes(tmp_path, "a")
    (app / "a").chmod(0)
    try:
        with pytest.raises(RouteError, match="can't be read"):
            scan(app, tmp_path)
    finally:
        (app / "a").chmod(0o755)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("[a]/x", "[b]/y"),
        ("[a]", "[b]"),
        ("p/[a]", "p/[b]/deep"),
        ("[...a]", "[...b]"),
        ("[a]/[b]", "[a]/[c]"),
        ("x/(g)/[a]", "x/[b]/y"),
    ],
)
def test_two_names_at_one_position_are_an_error_that_names_both_files(tmp_path: Path, one: str, other: str) -> None:
    message = refusal(tmp_path, one, other)
    assert f"app/{one}/route.py" in message
    assert f"app/{other}/route.py" in message
    assert "same name" in message


@pytest.mark.parametrize(
    "folders",
    [("a/[id]", "b/[slug]"), ("a/[id]", "a/[...s]"), ("[x]/[id]", "y/[id]"), ("[lang]/a", "[lang]/[slug]")],
)
def test_names_at_different_positions_are_free(tmp_path: Path, folders: tuple[str, ...]) -> None:
    assert len(patterns(tmp_path, *folders)) == len(folders)


@pytest.mark.parametrize("folder", ["[id]/x/[id]", "[a-b]/[a_b]", "[id]/[...id]", "[class]/[class_]"])
def test_two_folders_that_fill_one_parameter_are_an_error(tmp_path: Path, folder: str) -> None:
    message = refusal(tmp_path, folder)
    assert f"app/{folder}/route.py" in message
    assert "would both fill the parameter" in message


@pytest.mark.parametrize("folder", ["[...x]/a", "[[...x]]/a", "[...x]/[id]"])
def test_nothing_follows_a_catch_all(tmp_path: Path, folder: str) -> None:
    assert "takes the rest of the path" in refusal(tmp_path, folder)


def test_a_required_and_an_optional_catch_all_side_by_side_are_an_error(tmp_path: Path) -> None:
    message = refusal(tmp_path, "a/[...x]", "a/[[...x]]")
    assert "app/a/[...x]/route.py" in message
    assert "app/a/[[...x]]/route.py" in message


@pytest.mark.parametrize("base", ["a", "[id]", ""])
def test_an_optional_catch_all_beside_its_own_empty_form_is_an_error(tmp_path: Path, base: str) -> None:
    message = refusal(tmp_path, base, f"{base}/[[...x]]".lstrip("/"))
    assert f"app/{base}/route.py".replace("//", "/") in message
    assert f"app/{base}/[[...x]]/route.py".replace("//", "/") in message
    assert "[...x]" in message


@pytest.mark.parametrize(
    ("one", "other"),
    [("(g)/a", "(h)/a"), ("a", "@slot/a"), ("(g)", ""), ("(g)/[id]", "[id]"), ("x", "%78")],
)
def test_two_files_for_one_url_are_an_error_that_names_both(tmp_path: Path, one: str, other: str) -> None:
    message = refusal(tmp_path, one, other)
    assert f"app/{one}/route.py".replace("//", "/") in message
    assert f"app/{other}/route.py".replace("//", "/") in message
    assert "both answer" in message


def test_urls_that_differ_in_case_are_different(tmp_path: Path) -> None:
    (tmp_path / "probe").touch()
    if (tmp_path / "PROBE").exists():
        pytest.skip("this file system can't tell them apart")
    assert patterns(tmp_path, "a", "A") == ["/A", "/a"]
