"""slowapi: hits count against a limit like every request, side by side with plain FastAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from asked import in_process
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.middleware import SlowAPIASGIMiddleware, SlowAPIMiddleware
from slowapi.util import get_remote_address
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from twins import plain, pond, twins

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI

pytestmark = pytest.mark.anyio

MIDDLEWARE = {"function": SlowAPIMiddleware, "pure": SlowAPIASGIMiddleware}
PATHS = ("/static", "/things/1", "/things/2", "/live", "/declared/oak", "/nope", "/sub/inner/1", "/failing")
Answers = dict[str, list[tuple[int, str | None]]]


def limited(app: FastAPI, limiter: Limiter) -> FastAPI:
    """As slowapi's documentation says."""
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]
    return app


async def answers(app: FastAPI, paths: tuple[str, ...] = PATHS, times: int = 5) -> Answers:
    """Statuses, and what is left of the limit, for each path."""
    found: Answers = {path: [] for path in paths}
    async with in_process(app) as client:
        for path in paths:
            for _ in range(times):
                answer = await client.get(path)
                found[path].append((answer.status_code, answer.headers.get("x-ratelimit-remaining")))
    return found


@pytest.mark.parametrize("middleware", MIDDLEWARE.values(), ids=MIDDLEWARE)
async def test_a_default_limit_counts_hits(tmp_path: Path, middleware: type[Any]) -> None:
    found = {}
    for name, make in twins(tmp_path).items():
        limiter = Limiter(key_func=get_remote_address, default_limits=["3/hour"], headers_enabled=True)
        app = limited(make(), limiter)
        app.add_middleware(middleware)  # type: ignore[arg-type]  # one of two classes
        found[name] = await answers(app)
    assert found["millpond"] == found["fastapi"]
    assert found["millpond"]["/static"] == [(200, "2"), (200, "1"), (200, "0"), (429, "0"), (429, "0")]


DECORATED = """
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from {module} import limiter
{config}
@limiter.{decorator}
async def GET(request: Request): return 'GET'
"""


async def test_decorated_handlers_are_limited_and_exempted(tmp_path: Path) -> None:
    limiters = tmp_path / "limiters_of_this_test.py"
    limiters.write_text(
        "from slowapi import Limiter\nfrom slowapi.util import get_remote_address\n"
        "limiter = Limiter(key_func=get_remote_address, default_limits=['2/hour'])\n"
    )
    routes = {
        "/limited": DECORATED.format(
            module=limiters.stem, config="dynamic = 'force-dynamic'", decorator='limit("1/hour")'
        ),
        "/exempt": DECORATED.format(module=limiters.stem, config="revalidate = 60", decorator="exempt"),
        "/others": "revalidate = 60\nasync def GET(): return 'GET'\n",
    }
    ours = pond(tmp_path, routes)
    assert ours.routes  # loads the files
    limiter = __import__(limiters.stem).limiter
    theirs, own = plain(), Limiter(key_func=get_remote_address, default_limits=["2/hour"])

    @theirs.get("/limited")
    @own.limit("1/hour")
    async def limited_by_name(request: Request) -> str:
        return request.method

    @theirs.get("/exempt")
    @own.exempt  # type: ignore[untyped-decorator]
    async def exempt(request: Request) -> str:
        return request.method

    @theirs.get("/others")
    async def others() -> str:
        return "GET"

    found = []
    for app, its in ((ours, limiter), (theirs, own)):
        limited(app, its)
        app.add_middleware(SlowAPIMiddleware)
        found.append(await answers(app, tuple(routes), 3))
    assert found[0] == found[1]
    assert {path: [status for status, _ in each] for path, each in found[0].items()} == {
        "/limited": [200, 429, 429],
        "/exempt": [200, 200, 200],
        "/others": [200, 200, 429],
    }
