"""What the log says of answers that aren't stored: nothing of what any client can cause."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

SOURCE = """
from fastapi import HTTPException
from millpond import JSONResponse, not_found
revalidate = 10
status = 0
def generate_static_params(): return [{"id": "1"}]
def GET(id: int):
    if id == 404: not_found()
    if id == 1404: raise HTTPException(404, headers={"cache-control": "no-store"})
    if id == 1200: return JSONResponse(1, headers={"cache-control": "no-store"})
    if status or id >= 400: raise HTTPException(status or id)
    return id
"""


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    caplog.clear()
    return found


async def test_refusals_of_paths_that_nobody_listed_are_no_warnings(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes({"/[id]": SOURCE})
    async with project.serving() as running:
        caplog.clear()
        for path, status in (("/404", 404), ("/403", 403), ("/400", 400), ("/429", 429), ("/410", 410), ("/x", 422)):
            assert [(await running.get(path)).status_code for _ in range(2)] == [status, status]
        assert warnings(caplog) == []
        assert (await running.get("/503")).status_code == 503
        assert warnings(caplog) == ["rendering /503 answered 503, which is not stored"]


async def test_a_404_that_is_not_to_be_kept_is_no_warning_and_another_answer_is(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes({"/[id]": SOURCE})
    async with project.serving() as running:
        caplog.clear()
        assert (await running.get("/1404")).status_code == 404
        assert warnings(caplog) == []
        assert (await running.get("/1200")).status_code == 200
        (warning,) = warnings(caplog)
        assert warning.startswith("/1200 was static at build, and now its answer depends on the request")


async def test_an_answer_that_was_good_before_is_missed(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.routes({"/[id]": SOURCE})
    async with project.serving() as running:
        caplog.clear()
        for path in ("/1", "/2"):  # at build, and on demand
            running.module("/[id]").status = 0
            assert (await running.get(path)).status_code == 200
            running.module("/[id]").status = 403
            project.clock.move(20)
            assert await running.cache(path) == "STALE"
            await running.settle()
            assert warnings(caplog) == [f"rendering {path} answered 403, which is not stored"]


async def test_a_route_of_one_path_that_refuses_is_a_warning(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    source = "from fastapi import HTTPException\nrevalidate = 10\ndef GET(): raise HTTPException(403)\n"
    project.routes({"/": source})
    async with project.started() as running:
        caplog.clear()
        assert (await running.get("/")).status_code == 403
    assert warnings(caplog) == ["rendering / answered 403, which is not stored"]
