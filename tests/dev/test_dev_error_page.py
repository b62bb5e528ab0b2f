from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from millpond.dev.error_page import error_response, error_text
from millpond.dev.error_report import ErrorReport, report_of
from millpond.errors import MillpondError, Place
from millpond.routes.imports import import_project_file

if TYPE_CHECKING:
    from ponds import Project

SOURCE = "".join(f"line_{number} = {number}\n" for number in range(1, 8)) + "raise ValueError('<script>')\n"


@pytest.fixture
def error_report(project: Project) -> ErrorReport:
    """What an exception in line 8 of a project's file looks like."""
    project.write({"broken.py": SOURCE})
    try:
        exec(compile(SOURCE, str(project.folder / "broken.py"), "exec"), {})  # noqa: S102 - it raises in that file
    except ValueError as error:
        return report_of(error, project.folder)
    raise AssertionError


def body(error_report: ErrorReport, accept: str) -> str:
    return bytes(error_response(error_report, accept).body).decode()


def test_an_exception_is_placed_at_the_users_innermost_frame(error_report: ErrorReport) -> None:
    assert error_report.message == "ValueError: <script>"
    assert error_report.place == Place("broken.py", 8)
    assert error_report.lines[0] == (4, "line_4 = 4")
    assert error_report.lines[-1] == (8, "raise ValueError('<script>')")


def test_frames_of_libraries_are_folded(error_report: ErrorReport) -> None:
    assert "test_dev_error_page.py" not in error_report.trace
    assert "broken.py:8 in <module>" in error_report.trace


def test_an_error_of_millpond_is_placed_where_its_message_says(project: Project) -> None:
    project.write({"app/[id]/route.py": SOURCE})
    error_report = report_of(MillpondError("app/[id]/route.py:2: invalid syntax"), project.folder)
    assert error_report.place == Place("app/[id]/route.py", 2)
    assert [number for number, _ in error_report.lines] == [1, 2, 3, 4, 5, 6]
    assert error_report.trace == ""


def test_an_error_without_a_place_has_none(project: Project) -> None:
    error_report = report_of(MillpondError("there is no folder app; gone.py:3"), project.folder)
    assert error_report.place is None
    assert error_report.lines == ()


def test_an_import_that_fails_is_placed_in_the_projects_file(project: Project) -> None:
    project.write({"instrumentation.py": "import nothing_of_that_name\n"})
    with pytest.raises(MillpondError) as caught:
        import_project_file(project.folder / "instrumentation.py", project.folder)
    assert report_of(caught.value, project.folder).place == Place("instrumentation.py", 1)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("application/json", "application/json"),
        ("*/*", "text/plain"),
        ("", "text/plain"),
    ],
)
def test_everybody_gets_500_in_the_form_they_ask_for(error_report: ErrorReport, accept: str, kind: str) -> None:
    answer = error_response(error_report, accept)
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers["cache-control"] == "no-store"


def test_a_page_escapes_what_it_shows_and_marks_the_line(error_report: ErrorReport) -> None:
    html = body(error_report, "text/html")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<h2>broken.py:8</h2>" in html
    assert "<mark>   8  raise" in html


def test_json_has_message_file_line_and_trace(error_report: ErrorReport) -> None:
    facts = json.loads(body(error_report, "application/json"))
    assert (facts["error"], facts["file"], facts["line"]) == ("ValueError: <script>", "broken.py", 8)
    assert "broken.py:8" in facts["trace"]


def test_text_marks_the_line(error_report: ErrorReport) -> None:
    assert ">    8  raise ValueError('<script>')" in error_text(error_report).splitlines()
