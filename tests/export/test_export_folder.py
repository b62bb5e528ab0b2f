"""Exports into a folder: what is written, what is left out, and what of others is left alone."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from exporting import ROUTES, counts, export_of, of_build

from millpond.errors import CommandError
from millpond.export.export_folder import ExportFolder
from millpond.export.export_record import MANIFEST, read_record

if TYPE_CHECKING:
    from pathlib import Path

    from ponds import Project


def files_in(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }


def manifest_in(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / MANIFEST).read_text("utf-8")))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_each_static_answer_and_public_file_is_a_file_with_its_headers(project: Project, out: Path) -> None:
    project.routes(ROUTES)
    project.write({"public/style.css": "body {}"})
    exporter = export_of(project, ExportFolder(out))
    report = exporter.run()
    assert files_in(out) == {
        "index.json": '"root"',
        "products.json": json.dumps({"all": "still water " * 100}, separators=(",", ":")),
        "products/oak chair.json": '{"slug":"oak chair"}',
        "products/desk.json": '{"slug":"desk"}',
        "page.html": "<p>page</p>",
        "found.json": '""',
        "style.css": "body {}",
    }
    manifest = manifest_in(out)
    files = {name: (file["path"], file["headers"]["content-type"]) for name, file in manifest["files"].items()}
    assert files["products/oak chair.json"] == ("/products/oak%20chair", "application/json")
    assert files["style.css"] == ("/style.css", "text/css; charset=utf-8")
    assert {name: file["headers"]["cache-control"] for name, file in manifest["files"].items()} == {
        "index.json": "public, max-age=0, must-revalidate",
        "products.json": "public, max-age=0, must-revalidate",
        "products/oak chair.json": "s-maxage=60, stale-while-revalidate=31535940",
        "products/desk.json": "s-maxage=60, stale-while-revalidate=31535940",
        "page.html": "max-age=5",
        "found.json": "s-maxage=60, stale-while-revalidate=31535940",
        "style.css": "public, max-age=0",
    }
    assert (manifest["build"], manifest["complete"]) == (exporter.exported.manifest.build, True)
    assert manifest["redirects"] == [{"source": "/moved", "target": "/products", "status": 307}]
    assert len(report.written) == 7


def test_what_is_no_file_is_told_with_the_reason(project: Project, out: Path) -> None:
    project.routes(ROUTES)
    exporter = export_of(project, ExportFolder(out))
    exporter.run()
    told = {each.path: (each.reason, each.place) for each in exporter.exported.left_out}
    assert told["/gone"] == ("its status is 404: a file is answered with 200", "app/gone/route.py")
    assert told["/live"][0].startswith("live: ")
    assert told["/live"][1] is not None
    assert told["/live"][1].startswith("app/live/route.py")
    assert told["/products/[slug]"][0] == "its other paths are rendered when they are asked for"
    assert told["/found"][0] == "answers for other queries (q) are rendered when they are asked for"
    assert dict(exporter.exported.fresh)["/products/desk"] == 60


def test_only_what_has_changed_is_written_and_what_has_gone_is_deleted(project: Project, out: Path) -> None:
    project.routes(ROUTES)
    export_of(project, ExportFolder(out)).run()
    old = (out / "page.html").stat().st_ino
    assert counts(export_of(project, ExportFolder(out)).run()) == (0, 6, 0)
    project.routes({"/": "dynamic = 'force-static'\ndef GET():\n    return 'other'\n"})
    project.routes({"/products/[slug]": ROUTES["/products/[slug]"].replace(', {"slug": "desk"}', "")})
    (project.folder / "app/page/route.py").unlink()
    report = export_of(project, ExportFolder(out)).run()
    assert (report.written, sorted(report.deleted)) == (["index.json"], ["page.html", "products/desk.json"])
    assert old
    assert (out / "index.json").read_text("utf-8") == '"other"'
    assert sorted(files_in(out)) == ["found.json", "index.json", "products.json", "products/oak chair.json"]


def test_an_empty_folder_goes_with_its_last_file(project: Project, out: Path) -> None:
    project.routes({"/a/b/c": ROUTES["/"], "/": ROUTES["/"]})
    export_of(project, ExportFolder(out)).run()
    (project.folder / "app/a/b/c/route.py").unlink()
    export_of(project, ExportFolder(out)).run()
    assert sorted(path.name for path in out.iterdir()) == ["index.json", MANIFEST]


def test_a_folder_of_somebody_elses_is_refused_and_with_force_kept(project: Project, out: Path) -> None:
    project.routes(ROUTES)
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    (out / "index.json").write_text("mine")
    exporter = export_of(project, ExportFolder(out))
    with pytest.raises(CommandError, match=r"has 2 files that no export has written: index.json, thesis.tex"):
        exporter.run()
    assert sorted(path.name for path in out.iterdir()) == ["index.json", "thesis.tex"]
    of_build(project, ExportFolder(out), force=True).run()
    of_build(project, ExportFolder(out)).run()  # and from then on it is known which are whose
    assert (out / "thesis.tex").read_text() == "years of work"
    assert (out / "index.json").read_text() == '"root"'


def test_a_file_that_stands_in_the_way_later_is_refused(project: Project, out: Path) -> None:
    project.routes(ROUTES)
    export_of(project, ExportFolder(out)).run()
    (out / "new.json").write_text("mine")
    (out / "beside.txt").write_text("mine, too")
    of_build(project, ExportFolder(out)).run()
    project.routes({"/new": ROUTES["/"]})
    with pytest.raises(CommandError, match=r"1 file that no export has written: new.json"):
        export_of(project, ExportFolder(out)).run()


def test_what_somebody_has_edited_is_mended_or_kept_but_never_deleted(project: Project, out: Path) -> None:
    project.routes(ROUTES)
    export_of(project, ExportFolder(out)).run()
    (out / "index.json").write_text("edited")
    (out / "page.html").write_text("edited")
    (project.folder / "app/page/route.py").unlink()
    report = export_of(project, ExportFolder(out)).run()
    assert (report.written, report.deleted, report.kept) == (["index.json"], [], ["page.html"])
    assert (out / "page.html").read_text() == "edited"


def test_a_dry_run_changes_nothing(project: Project, out: Path) -> None:
    project.routes(ROUTES)
    report = export_of(project, ExportFolder(out), dry_run=True).run()
    assert (len(report.written), out.exists()) == (6, False)


def test_an_export_that_was_broken_off_is_ended_by_the_next(project: Project, out: Path) -> None:
    project.routes(ROUTES)

    class Failing(ExportFolder):
        def write(self, name: str, content: bytes, headers: dict[str, str]) -> str:
            if name == "page.html":
                raise CommandError("no space left")
            return super().write(name, content, headers)

    with pytest.raises(CommandError, match="no space left"):
        export_of(project, Failing(out)).run()
    assert read_record((out / MANIFEST).read_bytes(), "out").complete is False
    report = of_build(project, ExportFolder(out)).run()
    assert len(report.written) + len(report.unchanged) == 6
    assert "page.html" in report.written
    assert manifest_in(out)["complete"]
    assert counts(of_build(project, ExportFolder(out)).run()) == (0, 6, 0)


def test_two_exports_at_once_are_refused(project: Project, out: Path) -> None:
    project.routes(ROUTES)
    exporter = export_of(project, ExportFolder(out))
    with ExportFolder(out).locked(force=False), pytest.raises(CommandError, match="another export is writing"):
        exporter.run()
    exporter.run()
    assert min(files_in(out)) == "found.json"  # no lock, and nothing half-written is left


def test_a_symbolic_link_is_never_followed(project: Project, out: Path, tmp_path: Path) -> None:
    project.routes(ROUTES)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    out.mkdir()
    (out / "products").symlink_to(elsewhere)
    with pytest.raises(CommandError, match="symbolic link"):
        export_of(project, ExportFolder(out), force=True).run()
    assert list(elsewhere.iterdir()) == []


def test_a_manifest_that_names_files_elsewhere_deletes_nothing(project: Project, out: Path) -> None:
    project.routes(ROUTES)
    export_of(project, ExportFolder(out)).run()
    victim = out.parent / "victim"
    victim.write_text("mine")
    manifest = manifest_in(out)
    manifest["files"]["../victim"] = manifest["files"]["index.json"]
    (out / MANIFEST).write_text(json.dumps(manifest))
    of_build(project, ExportFolder(out)).run()
    assert victim.read_text() == "mine"


@pytest.mark.parametrize(
    "content", ["{", '{"version": 9, "millpond": "9", "build": "", "complete": true, "files": {}}']
)
def test_a_manifest_that_cannot_be_read_is_told(project: Project, out: Path, content: str) -> None:
    project.routes(ROUTES)
    export_of(project, ExportFolder(out)).run()
    (out / MANIFEST).write_text(content)
    with pytest.raises(CommandError, match="--force"):
        of_build(project, ExportFolder(out)).run()
    assert counts(of_build(project, ExportFolder(out), force=True).run()) == (0, 6, 0)


def test_compressed_forms_lie_beside_their_files(project: Project, out: Path) -> None:
    project.routes(ROUTES)
    export_of(project, ExportFolder(out), codings=["br", "gzip"]).run()
    files = manifest_in(out)["files"]
    assert sorted(name for name in files if name.startswith("products.json")) == [
        "products.json",
        "products.json.br",
        "products.json.gz",
    ]
    coded = files["products.json.br"]["headers"]
    assert (coded["content-encoding"], coded["vary"]) == ("br", "accept-encoding")
    assert coded["etag"] == files["products.json"]["headers"]["etag"][:-1] + '-br"'
    assert files["index.json"]["headers"].get("vary") is None  # too short for a coding


def test_configured_prefixes_slashes_and_headers_apply(project: Project, out: Path) -> None:
    project.routes(ROUTES)
    config = {
        "base_path": "/docs",
        "trailing_slash": True,
        "headers": [{"source": "/page", "name": "x-frame-options", "value": "DENY"}],
    }
    export_of(project, ExportFolder(out), config=config).run()
    files = manifest_in(out)["files"]
    assert files["docs/page/index.html"]["path"] == "/docs/page/"
    assert files["docs/page/index.html"]["headers"]["x-frame-options"] == "DENY"
    assert files["docs.json"]["path"] == "/docs"
    assert "x-frame-options" not in files["docs.json"]["headers"]


def test_the_lifetime_of_what_never_goes_stale_may_be_chosen(project: Project, out: Path) -> None:
    project.routes(ROUTES)
    export_of(project, ExportFolder(out), unchanging="max-age=60").run()
    files = manifest_in(out)["files"]
    assert files["index.json"]["headers"]["cache-control"] == "max-age=60"
    assert files["page.html"]["headers"]["cache-control"] == "max-age=5"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(project: Project, out: Path) -> None:
    project.routes(ROUTES)
    out.mkdir(mode=0o500)
    with pytest.raises(CommandError, match="can't be written"):
        export_of(project, ExportFolder(out)).run()
