"""The answer to every request while something is wrong: for a browser a page, for others JSON or text."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from millpond.dev.problem import Problem

_NOT_STORED = {"cache-control": "no-store"}


def page(problem: Problem, accept: str) -> Response:
    """500 with the problem, in the form that `accept` (the request's header) asks for."""
    if "text/html" in accept:
        return HTMLResponse(_html(problem), 500, _NOT_STORED)
    if "application/json" in accept:
        return JSONResponse(_facts(problem), 500, _NOT_STORED)
    return PlainTextResponse(text(problem), 500, _NOT_STORED)


class ErrorPage:
    """The application that stands in for one that can't start."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await page(self.problem, Headers(scope=scope).get("accept", ""))(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1011})


def text(problem: Problem) -> str:
    """For terminals and clients that ask for nothing else."""
    parts = [problem.trace or problem.message]
    if problem.place is not None:
        parts.append(f"{problem.place}\n{_numbered(problem)}")
    return "\n\n".join(parts) + "\n"


def _numbered(problem: Problem) -> str:
    at = problem.place.line if problem.place is not None else None
    return "\n".join(f"{'>' if number == at else ' '} {number:>4}  {line}" for number, line in problem.lines)


def _facts(problem: Problem) -> dict[str, object]:
    place = problem.place
    return {
        "error": problem.message,
        "file": None if place is None else place.file,
        "line": None if place is None else place.line,
        "trace": problem.trace or None,
    }


def _html(problem: Problem) -> str:
    place = "" if problem.place is None else f"<h2>{escape(str(problem.place))}</h2>"
    at = problem.place.line if problem.place is not None else None
    lines = "".join(
        f"<{tag}>{number:>4}  {escape(line)}\n</{tag}>"
        for number, line in problem.lines
        for tag in ("mark" if number == at else "span",)
    )
    source = f"<pre>{lines}</pre>" if lines else ""
    trace = f"<h2>Trace</h2><pre>{escape(problem.trace)}</pre>" if problem.trace else ""
    message = f"<pre class=message>{escape(problem.message)}</pre>"
    return f"{_HEAD}<h1>Millpond can't answer</h1>{message}{place}{source}{trace}{_FOOT}"


_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Error - Millpond</title>
<meta name="viewport" content="width=device-width">
<style>
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5 }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.2rem } h2 { font-size: 1rem }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8886; border-radius: .4rem }
.message { white-space: pre-wrap; border-color: #c33 }
mark, span { display: block } mark { background: #c333; color: inherit }
</style></head><body>
"""

_FOOT = "<p>Save a file of the project, and this is tried again.</p></body></html>\n"
