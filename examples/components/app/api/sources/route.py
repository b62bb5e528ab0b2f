"""Where the data comes from: a file of the project, read at build. Static until the next one."""

from pathlib import Path

from millpond import PlainTextResponse

SOURCES = Path(__file__).parents[3] / "data" / "SOURCES.txt"


def GET() -> PlainTextResponse:
    return PlainTextResponse(SOURCES.read_text("utf-8"))
