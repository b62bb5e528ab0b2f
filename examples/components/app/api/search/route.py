"""A search: live, because it declares a query parameter."""

from typing import Any

from gazetteer.rivers import all_rivers


def GET(q: str = "") -> list[dict[str, Any]]:
    return [river for river in all_rivers() if q.lower() in river["name"].lower()]
