from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from millpond.dev.page import ErrorPage, page, text
from millpond.dev.problem import Problem, problem_of
from millpond.errors import MillpondError, Place
from millpond.routes.imports import import_project_file

if TYPE_CHECKING:
    from starlette.types import Message

    from ponds import Project

SOURCE = "".join(f"line_{number} = {number}\n" for number in range(1, 8)) + "raise ValueError('<script>')\n"


@pytest.fixture
def problem(project: Project) -> Problem:
    """What an exception in line 8 of a project's file looks like."""
    project.write({"broken.py": SOURCE})
    try:
        exec(compile(SOURCE, str(project.folder / "broken.py"), "exec"), {})  # noqa: S102 - it raises in that file
    except ValueError as error:
        return problem_of(error, project.folder)
    raise AssertionError


def body(problem: Problem, accept: str) -> str:
    return bytes(page(problem, accept).body).decode()


def test_an_exception_is_placed_at_the_users_innermost_frame(problem: Problem) -> None:
    assert problem.message == "ValueError: <script>"
    assert problem.place == Place("broken.py", 8)
    assert problem.lines[0] == (4, "line_4 = 4")
    assert problem.lines[-1] == (8, "raise ValueError('<script>')")


def test_frames_of_libraries_are_folded(problem: Problem) -> None:
    assert "test_dev_page.py" not in problem.trace
    assert "broken.py:8 in <module>" in problem.trace


def test_an_error_of_millpond_is_placed_where_its_message_says(project: Project) -> None:
    project.write({"app/[id]/route.py": SOURCE})
    problem = problem_of(MillpondError("app/[id]/route.py:2: invalid syntax"), project.folder)
    assert problem.place == Place("app/[id]/route.py", 2)
    assert [number for number, _ in problem.lines] == [1, 2, 3, 4, 5, 6]
    assert problem.trace == ""


def test_an_error_without_a_place_has_none(project: Project) -> None:
    problem = problem_of(MillpondError("there is no folder app; gone.py:3"), project.folder)
    assert problem.place is None
    assert problem.lines == ()


def test_an_import_that_fails_is_placed_in_the_projects_file(project: Project) -> None:
    project.write({"instrumentation.py": "import nothing_of_that_name\n"})
    with pytest.raises(MillpondError) as caught:
        import_project_file(project.folder / "instrumentation.py", project.folder)
    assert problem_of(caught.value, project.folder).place == Place("instrumentation.py", 1)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("application/json", "application/json"),
        ("*/*", "text/plain"),
        ("", "text/plain"),
    ],
)
def test_everybody_gets_500_in_the_form_they_ask_for(problem: Problem, accept: str, kind: str) -> None:
    answer = page(problem, accept)
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers["cache-control"] == "no-store"


def test_a_page_escapes_what_it_shows_and_marks_the_line(problem: Problem) -> None:
    html = body(problem, "text/html")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<h2>broken.py:8</h2>" in html
    assert "<mark>   8  raise" in html


def test_json_has_message_file_line_and_trace(problem: Problem) -> None:
    facts = json.loads(body(problem, "application/json"))
    assert (facts["error"], facts["file"], facts["line"]) == ("ValueError: <script>", "broken.py", 8)
    assert "broken.py:8" in facts["trace"]


def test_text_marks_the_line(problem: Problem) -> None:
    assert ">    8  raise ValueError('<script>')" in text(problem).splitlines()


def test_a_websocket_is_closed_while_there_is_a_page(problem: Problem) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    asyncio.run(ErrorPage(problem)({"type": "websocket"}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1011}]


def test_a_file_that_has_gone_meanwhile_is_named_without_its_lines(project: Project) -> None:
    project.write({"broken.py": SOURCE})
    with pytest.raises(MillpondError) as caught:
        import_project_file(project.folder / "broken.py", project.folder)
    (project.folder / "broken.py").unlink()
    assert caught.value.__cause__ is not None
    found = problem_of(caught.value.__cause__, project.folder)
    assert (found.place, found.lines) == (Place("broken.py", 8), ())
