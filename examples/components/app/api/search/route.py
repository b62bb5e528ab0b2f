"""A search: live, because it declares a query parameter."""

from gazetteer.rivers import all_rivers


def GET(q: str = ""):
    return [river for river in all_rivers() if q.lower() in river["name"].lower()]
