"""`Accept-Ranges` is promised where ranges are served: by live answers with files and by `public/`, not by hits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

FILE = """
    from pathlib import Path
    from starlette.responses import FileResponse
    HERE = Path(__file__).parents[2] / "data.bin"
"""
ROUTES = {
    "/kept": f"{FILE}    dynamic = 'force-static'\n    def GET(): return FileResponse(HERE)\n",
    "/made": f"{FILE}    dynamic = 'force-dynamic'\n    def GET(): return FileResponse(HERE)\n",
    "/relayed": """
        from millpond import fetch
        dynamic = 'force-dynamic'
        async def GET(): return await fetch("/made")
    """,
}


async def test_stored_and_relayed_answers_are_sent_whole_and_promise_nothing_else(project: Project) -> None:
    project.routes(ROUTES)
    (project.folder / "data.bin").write_bytes(b"0123456789" * 100)
    async with project.serving() as pond:
        for path in ("/kept", "/kept", "/relayed"):
            answer = await pond.get(path, headers={"range": "bytes=0-3"})
            assert (answer.status_code, len(answer.content)) == (200, 1000)
            assert {"accept-ranges", "content-range"}.isdisjoint(answer.headers)


async def test_who_serves_ranges_promises_them(project: Project) -> None:
    project.routes(ROUTES)
    (project.folder / "data.bin").write_bytes(b"0123456789" * 100)
    project.write({"public/a.txt": "0123456789"})
    async with project.serving() as pond:
        for path in ("/made", "/a.txt"):
            assert (await pond.get(path)).headers["accept-ranges"] == "bytes"
            part = await pond.get(path, headers={"range": "bytes=2-3"})
            assert (part.status_code, part.text, part.headers["content-range"][:9]) == (206, "23", "bytes 2-3")
