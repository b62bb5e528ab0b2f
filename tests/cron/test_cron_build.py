"""A build refuses crons that would do nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

ROUTES = {
    "/static": 'dynamic = "force-static"\ndef GET():\n    return 1\n',
    "/fresh": "revalidate = 60\ndef GET():\n    return 1\n",
    "/live": "def GET():\n    return 1\n",
    "/post": "def POST():\n    return 1\n",
    "/items/[id]": "revalidate = 60\ndef generate_static_params():\n    return []\ndef GET(id: str):\n    return id\n",
}


def of(path: str) -> list[dict[str, Any]]:
    return [{"path": path, "schedule": "0 4 * * *"}]


async def test_a_live_route_can_be_a_cron(project: Project) -> None:
    project.routes(ROUTES)
    assert (await project.built(cron=of("/live")))["/live"].glyph == "λ"


@pytest.mark.parametrize(
    ("path", "file", "message"),
    [
        ("/static", "app/static/route.py", 'its GET is static (dynamic = "force-static"'),
        ("/fresh", "app/fresh/route.py", "its GET is static (revalidate = 60"),
        ("/items/7", "app/items/[id]/route.py", 'Set dynamic = "force-dynamic" in app/items/[id]/route.py, or ask'),
        ("/post", "app/post/route.py", "the file has POST only; add a GET."),
        ("/liv", "[[cron]]", "no route has that path; did you mean /live?"),
        ("/nothing/like/it", "[[cron]]", "no route has that path; mend its path, or add the route."),
        ("/a%zz", "[[cron]]", "the path of a cron isn't one"),
    ],
)
async def test_a_cron_that_could_never_run_is_refused(project: Project, path: str, file: str, message: str) -> None:
    project.routes(ROUTES)
    failures = await project.failures(cron=of(path))
    assert len(failures) == 1
    assert f"{path}  ({file})" in failures[0]
    assert message in failures[0]


async def test_so_it_is_with_cache_components(project: Project) -> None:
    project.routes({"/auto": "def GET():\n    return 1\n"})
    failures = await project.failures(cron=of("/auto"), cache_components=True)
    assert "never run" in failures[0]
