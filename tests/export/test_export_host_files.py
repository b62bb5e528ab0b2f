"""The files by which hosters know headers, redirects and names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporting import ROUTES, export_of

from millpond.config import RedirectConfig
from millpond.export.export_folder import ExportFolder
from millpond.export.export_record import FileRecord, RedirectRecord
from millpond.export.host_files import host_files

if TYPE_CHECKING:
    from pathlib import Path

    from ponds import Project

JSON = {"content-type": "application/json", "etag": '"1"', "vary": "accept-encoding"}


def test_a_path_whose_file_has_another_name_is_led_to_it(project: Project, tmp_path: Path) -> None:
    project.routes(ROUTES)
    out = tmp_path / "out"
    export_of(project, ExportFolder(out), host="netlify").run()
    assert (out / "_redirects").read_text("utf-8").splitlines() == [
        "/moved /products 307",
        "/found /found.json 200",
        "/ /index.json 200",
        "/products /products.json 200",
        "/products/desk /products/desk.json 200",
        "/products/oak%20chair /products/oak%20chair.json 200",
    ]
    headers = (out / "_headers").read_text("utf-8")
    assert "/products/oak%20chair\n  content-type: application/json\n  cache-control: s-maxage=60" in headers
    page = headers[headers.index("/page\n") :].split("\n/")[0]
    assert sorted(page.splitlines()) == [
        "  cache-control: max-age=5",
        "  content-language: en",
        "  content-type: text/html; charset=utf-8",
        "/page",
    ]
    assert "etag" not in headers


def test_the_files_for_hosters_are_the_exports_own(project: Project, tmp_path: Path) -> None:
    project.routes(ROUTES)
    out = tmp_path / "out"
    export_of(project, ExportFolder(out), host="netlify").run()
    report = export_of(project, ExportFolder(out)).run()
    assert sorted(report.deleted) == ["_headers", "_redirects"]


def test_configured_redirects_come_first_with_the_hosters_placeholders() -> None:
    configured = [
        RedirectConfig("/old/[slug]", "/new/[slug]"),
        RedirectConfig("/docs/[[...path]]", "https://docs.example/[[...path]]", 301),
    ]
    made, notes = host_files("netlify", {}, [RedirectRecord("/a b", "/c", 308)], configured, "/base")
    assert made == {
        "_redirects": b"/base/old/:slug /base/new/:slug 308\n"
        b"/base/docs/* https://docs.example/:splat 301\n"
        b"/a%20b /c 308\n"
    }
    assert notes == []


def test_nothing_in_a_path_is_a_placeholder() -> None:
    files = {"a:b~1.json": FileRecord("/:id/*", "", 0, JSON)}
    made, _ = host_files("netlify", files, [], [], "")
    assert made["_redirects"] == b"/%3Aid/%2A /a%3Ab~1.json 200\n"
    assert made["_headers"].startswith(b"/%3Aid/%2A\n  content-type")


def test_what_a_hoster_does_not_read_is_told() -> None:
    files = {f"{number}.json": FileRecord(f"/{number}", "", 0, JSON) for number in range(2001)}
    _, notes = host_files("cloudflare", files, [], [], "")
    assert [note.partition(" of which ")[0] for note in notes] == [
        "_headers has 4002 rules,",
        "_redirects has 2001 rules,",
    ]
