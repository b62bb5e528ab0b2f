from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli_project import ITEMS, LIVE, STATIC, call
from millpond.export.exporter import Exporter

if TYPE_CHECKING:
    from pathlib import Path

    from cli_project import Done
    from ponds import Project


@pytest.fixture
def built(project: Project, capsys: pytest.CaptureFixture[str]) -> Project:
    project.routes({"/hello": STATIC, "/items/[id]": ITEMS, "/live": LIVE})
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    return project


def export(project: Project, capsys: pytest.CaptureFixture[str], *arguments: str) -> Done:
    return call(project.folder, capsys, "export", *arguments, "--dir", str(project.folder))


def test_a_build_is_exported_with_a_report(built: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    done = export(built, capsys, out)
    assert done.code == 0
    first, *lines = done.out.splitlines()
    assert first.startswith(f"{out}: build ")
    assert "3 files written" in first
    assert "0 unchanged, 0 deleted" in first
    assert "goes stale /items/1  after 60 s; the next export renews it" in lines
    assert any(line.startswith("left out   /live  live: ") and "app/live/route.py" in line for line in lines)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["hello.json", "items", "millpond-export.json"]
    assert "0 files written (0 bytes), 3 unchanged" in export(built, capsys, out).out


def test_strict_fails_where_something_needs_a_server(
    built: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert export(built, capsys, str(tmp_path / "out"), "--strict").code == 1
    (built.folder / "app/live/route.py").unlink()
    assert call(built.folder, capsys, "build", "--dir", str(built.folder)).code == 0
    done = export(built, capsys, str(tmp_path / "out"), "--strict", "--json")
    assert [each["path"] for each in done.facts["left_out"]] == ["/items/[id]"]


def test_json_has_every_list(built: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    facts = export(built, capsys, str(tmp_path / "out"), "--json", "--dry-run").facts
    assert facts["dry_run"] is True
    assert facts["written"] == ["hello.json", "items/1.json", "items/2.json"]
    assert facts["fresh"] == [{"path": "/items/1", "revalidate": 60.0}, {"path": "/items/2", "revalidate": 60.0}]
    assert (facts["unchanged"], facts["deleted"], facts["kept"], facts["redirects"]) == ([], [], [], [])
    assert {each["path"] for each in facts["left_out"]} == {"/items/[id]", "/live"}
    assert not (tmp_path / "out").exists()


def test_endpoints_in_code_are_told(built: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    built.write(
        {
            "main.py": """
            from millpond import Millpond

            app = Millpond()


            @app.get("/declared")
            def declared():
                return 1
            """
        }
    )
    assert call(built.folder, capsys, "build", "--dir", str(built.folder)).code == 0
    facts = export(built, capsys, str(tmp_path / "out"), "--json").facts
    assert {"path": "/declared", "reason": "live: declared in code", "place": "main.py:7"} in facts["left_out"]


def test_without_a_build_there_is_nothing_to_export(
    project: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    project.routes({"/hello": STATIC})
    done = export(project, capsys, str(tmp_path / "out"))
    assert (done.code, done.err) == (1, "error: there is no build to export; run `millpond build`.\n")
    assert not (tmp_path / "out").exists()


def test_ctrl_c_ends_an_export_without_a_traceback(
    built: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Exporter) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Exporter, "_write_all", interrupted)
    done = export(built, capsys, str(tmp_path / "out"))
    assert (done.code, done.out) == (130, "")
    assert done.err == "interrupted: run it again to write the rest; nothing was deleted\n"
    assert "millpond-export.lock" not in [path.name for path in (tmp_path / "out").iterdir()]


def test_an_unknown_coding_is_a_mistake_of_the_command_line(
    built: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert export(built, capsys, str(tmp_path / "out"), "--codings", "lzma").code == 2
