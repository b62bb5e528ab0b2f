"""A render in which nobody sends a response: the message names whoever should have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from instrumented import FRESH

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

SILENT = """from starlette.responses import Response
class Silent(Response):
    async def __call__(self, scope, receive, send): pass
revalidate = 10
silent = []
def GET(): return Silent() if silent else 1
"""
BYSTANDER = """
class Bystander:
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send): await self.app(scope, receive, send)
def register(app): app.add_render_middleware(Bystander)
"""
SWALLOWING = """
class Swallowing:
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send): pass
def register(app): app.add_render_middleware(Swallowing)
"""


@pytest.mark.parametrize("around", ["", BYSTANDER], ids=["nothing around it", "middleware around it"])
async def test_a_refresh_whose_response_sends_nothing_names_the_handler_and_keeps_what_is_stored(
    project: Project, caplog: pytest.LogCaptureFixture, around: str
) -> None:
    project.write({"instrumentation.py": around or "def register(app): pass\n"})
    project.routes({"/": SILENT})
    async with project.serving() as running:
        running.module("/").silent.append(True)
        project.clock.move(11)
        for _ in range(2):
            answer = await running.get("/")
            assert (answer.status_code, answer.json()) == (200, 1)
            await running.settle()
    assert "app/route.py:6: no response was sent, neither by what GET returned nor by middleware" in caplog.text
    assert "Bystander" not in caplog.text


async def test_a_build_names_the_middleware_that_ends_without_a_response(project: Project) -> None:
    project.write({"instrumentation.py": SWALLOWING})
    project.routes({"/": FRESH})
    [failure] = await project.failures()
    assert "instrumentation.py:4: Swallowing ended without sending a response; it must send or pass on one." in failure
