"""All rivers: static, because the query is inside of a cached function."""

from gazetteer.rivers import all_rivers


def GET():
    return all_rivers()
