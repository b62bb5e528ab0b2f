"""The front page: nothing to wait for, so static."""

from millpond import PlainTextResponse


async def GET() -> PlainTextResponse:
    return PlainTextResponse("A gazetteer of European rivers. See /api/rivers.\n")
