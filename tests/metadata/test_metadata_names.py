"""Which files are metadata files, and at which URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from millpond.errors import RouteError
from millpond.routes.metadata_file import is_metadata_path, metadata_file
from millpond.routes.scan import scan

if TYPE_CHECKING:
    from pathlib import Path


def patterns(project: Path, *files: str, placeholders: bool = True) -> list[str]:
    """The URLs of empty files below app/."""
    for name in files:
        path = project / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return sorted(file.pattern for file in scan(project / "app", project, placeholders=placeholders))


@pytest.mark.parametrize(
    "path",
    [
        *("/api/icon", "/api/icon2", "/icon-abc123", "/api/sitemap", "/x/sitemap.xml", "/api/opengraph-image"),
        *("/manifest", "/robots", "/robots.txt", "/favicon.ico", "/a/apple-icon1.png", "/a/twitter-image.gif"),
        *("/products/sitemap/[__metadata_id__]", "/[slug]/icon/[__metadata_id__]"),
    ],
)
def test_a_url_that_ends_like_a_metadata_file_counts_as_metadata(path: str) -> None:
    assert is_metadata_path(path)


@pytest.mark.parametrize(
    "path", ["/api/robots", "/api/favicon", "/lexicon", "/icon12", "/icon-abc", "/sitemap2", "/a/robots.txt", "/icon/a"]
)
def test_other_urls_do_not(path: str) -> None:
    assert not is_metadata_path(path)


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("favicon.ico", "/favicon.ico"),
        ("icon.svg", "/icon.svg"),
        ("a/icon1.png", "/a/icon1.png"),
        ("a/apple-icon.jpg", "/a/apple-icon.jpg"),
        ("opengraph-image.gif", "/opengraph-image.gif"),
        ("twitter-image9.jpeg", "/twitter-image9.jpeg"),
        ("a/sitemap.xml", "/a/sitemap.xml"),
        ("robots.txt", "/robots.txt"),
        ("manifest.json", "/manifest.json"),
        ("manifest.webmanifest", "/manifest.webmanifest"),
        ("icon.py", "/icon"),
        ("a/icon1.py", "/a/icon1"),
        ("apple_icon.py", "/apple-icon"),
        ("opengraph_image.py", "/opengraph-image"),
        ("a/[slug]/twitter_image2.py", "/a/[slug]/twitter-image2"),
        ("a/sitemap.py", "/a/sitemap.xml"),
        ("robots.py", "/robots.txt"),
        ("manifest.py", "/manifest.webmanifest"),
    ],
)
def test_a_metadata_file_has_the_url_of_its_name(tmp_path: Path, file: str, pattern: str) -> None:
    assert patterns(tmp_path, file) == [pattern]


@pytest.mark.parametrize(
    "name",
    [
        *("icon12.png", "icon.gif", "icon.webp", "apple-icon.svg", "apple_icon.png", "apple-icon.py", "favicon.py"),
        *(
            "sitemap1.py",
            "robots.xml",
            "opengraph-image.alt.txt",
            "Icon.png",
            "icon.PNG",
            "icons.py",
            "icon",
            "_icon.py",
        ),
    ],
)
def test_a_file_of_another_name_is_none(name: str) -> None:
    assert metadata_file(name, at_root=True) is None


@pytest.mark.parametrize("name", ["favicon.ico", "robots.py", "robots.txt", "manifest.py", "manifest.json"])
def test_favicon_robots_and_manifest_count_at_the_root_only(name: str) -> None:
    assert metadata_file(name, at_root=True) is not None
    assert metadata_file(name, at_root=False) is None


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("(post)/icon.png", "/icon-12m0p1.png"),
        ("(post)/icon1.py", "/icon1-12m0p1"),
        ("a/(g)/opengraph_image.py", "/a/opengraph-image-yj95ss"),
        ("@slot/icon.py", "/icon-xxgbpy"),
        ("(post)/sitemap.py", "/sitemap.xml"),
    ],
)
def test_images_below_a_group_or_a_slot_have_a_suffix_out_of_their_folder(
    tmp_path: Path, file: str, pattern: str
) -> None:
    assert patterns(tmp_path, file) == [pattern]


def test_two_groups_may_have_an_icon_each(tmp_path: Path) -> None:
    assert len(patterns(tmp_path, "(a)/icon.png", "(b)/icon.png", "icon.png")) == 3


def test_an_image_file_below_a_parameter_has_one_url_with_a_placeholder(tmp_path: Path) -> None:
    files = ("[id]/apple-icon.png", "docs/[...path]/icon.png")
    assert patterns(tmp_path, *files) == ["/-/apple-icon.png", "/docs/-/icon.png"]


def test_before_16_an_image_file_below_a_parameter_answers_at_every_value(tmp_path: Path) -> None:
    assert patterns(tmp_path, "[id]/apple-icon.png", placeholders=False) == ["/[id]/apple-icon.png"]


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("products/sitemap.py", "/products/sitemap/[__metadata_id__]"),
        ("icon.py", "/icon/[__metadata_id__]"),
        ("(g)/icon.py", "/icon-yj9kvg/[__metadata_id__]"),
    ],
)
def test_a_file_that_lists_ids_has_them_at_the_end_of_its_urls(tmp_path: Path, file: str, pattern: str) -> None:
    path = tmp_path / "app" / file
    path.parent.mkdir(parents=True)
    lister = "generate_sitemaps" if "sitemap" in file else "generate_image_metadata"
    path.write_text(f"from elsewhere import {lister}\n")
    assert [found.pattern for found in scan(tmp_path / "app", tmp_path)] == [pattern]


@pytest.mark.parametrize(
    "files", [("sitemap.xml", "sitemap.py"), ("robots.py", "robots.txt/route.py"), ("[id]/icon.png", "-/icon.png")]
)
def test_two_files_for_one_url_are_an_error(tmp_path: Path, files: tuple[str, str]) -> None:
    with pytest.raises(RouteError, match="both answer") as caught:
        patterns(tmp_path, *files)
    assert all(f"app/{file}" in str(caught.value) for file in files)
