"""The latest levels: live, from data that is kept for a second; a thousand readers are one query."""

from gazetteer.rivers import latest_levels


async def GET():
    return latest_levels()
