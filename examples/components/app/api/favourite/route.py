"""A visitor's favourite: live, because it reads a cookie. What is cached is read first, and verified."""

from typing import Any

from millpond import cookies, not_found

from gazetteer.rivers import all_rivers, river


async def GET() -> dict[str, Any] | None:
    longest = all_rivers()[0]["slug"]
    chosen = await cookies()
    return river(chosen.get("favourite") or longest)


async def POST(slug: str) -> dict[str, str]:
    if river(slug) is None:
        not_found()
    (await cookies()).set("favourite", slug)
    return {"slug": slug}
