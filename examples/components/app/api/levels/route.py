"""The latest levels: live, from data that is kept for a second; a thousand readers are one query."""

from typing import Any

from gazetteer.rivers import latest_levels


async def GET() -> list[dict[str, Any]]:
    return latest_levels()
