"""/ is static: rendered at build, the same answer for everybody."""

dynamic = "force-static"

ROUTES = ["/notes", "/notes/first", "/search?text=edit", "/time", "/docs"]


def GET() -> dict[str, str | list[str]]:
    return {"project": "starter", "try": ROUTES}
