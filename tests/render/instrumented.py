"""Projects whose instrumentation.py puts something around renders."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millpond.prerender.build_manifest import RouteRecord
    from ponds import Project

FRESH = "revalidate = 60\ndef GET(): return 1\n"
PURE = """
from starlette.datastructures import URL, Headers, QueryParams
from starlette.requests import HTTPConnection, Request
from urllib.parse import parse_qs
class Pure:
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send):
        {}
        await self.app(scope, receive, send)
def register(app):
    app.add_render_middleware(Pure)
"""
FUNCTION = """
def register(app):
    from starlette.middleware.base import BaseHTTPMiddleware
    @lambda function: app.add_render_middleware(BaseHTTPMiddleware, dispatch=function)
    async def function(request, call_next):
        scope = dict(request.scope)
        {}
        return await call_next(request)
"""


async def record_with(project: Project, instrumentation: str, route: str = FRESH) -> RouteRecord:
    project.write({"instrumentation.py": dedent(instrumentation)})
    project.routes({"/": route})
    return (await project.built())["/"]


def place_of(source: str, part: str) -> tuple[str, int]:
    lines = enumerate(dedent(source).splitlines(), 1)
    return "instrumentation.py", next(number for number, line in lines if part in line)
