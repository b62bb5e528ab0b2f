"""All rivers: static, because the query is inside of a cached function."""

from typing import Any

from gazetteer.rivers import all_rivers


def GET() -> list[dict[str, Any]]:
    return all_rivers()
