"""The answer to every request while something is wrong: for a browser a page, for others JSON or text."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from millpond.dev.error_report import ErrorReport

_NOT_STORED = {"cache-control": "no-store"}


def error_response(report: ErrorReport, accept: str) -> Response:
    """500 with the problem, in the form that `accept` (the request's header) asks for."""
    if "text/html" in accept:
        return HTMLResponse(_html(report), 500, _NOT_STORED)
    if "application/json" in accept:
        return JSONResponse(_facts(report), 500, _NOT_STORED)
    return PlainTextResponse(error_text(report), 500, _NOT_STORED)


class ErrorPage:
    """The application that stands in for one that can't start."""

    def __init__(self, report: ErrorReport) -> None:
        self.report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await error_response(self.report, Headers(scope=scope).get("accept", ""))(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1011})


def error_text(report: ErrorReport) -> str:
    """For terminals and clients that ask for nothing else."""
    parts = [report.trace or report.message]
    if report.place is not None:
        parts.append(f"{report.place}\n{_numbered(report)}")
    return "\n\n".join(parts) + "\n"


def _numbered(report: ErrorReport) -> str:
    at = report.place.line if report.place is not None else None
    return "\n".join(f"{'>' if number == at else ' '} {number:>4}  {line}" for number, line in report.lines)


def _facts(report: ErrorReport) -> dict[str, object]:
    place = report.place
    return {
        "error": report.message,
        "file": None if place is None else place.file,
        "line": None if place is None else place.line,
        "trace": report.trace or None,
    }


def _html(report: ErrorReport) -> str:
    place = "" if report.place is None else f"<h2>{escape(str(report.place))}</h2>"
    at = report.place.line if report.place is not None else None
    lines = "".join(
        f"<{tag}>{number:>4}  {escape(line)}\n</{tag}>"
        for number, line in report.lines
        for tag in ("mark" if number == at else "span",)
    )
    source = f"<pre>{lines}</pre>" if lines else ""
    trace = f"<h2>Trace</h2><pre>{escape(report.trace)}</pre>" if report.trace else ""
    message = f"<pre class=message>{escape(report.message)}</pre>"
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
