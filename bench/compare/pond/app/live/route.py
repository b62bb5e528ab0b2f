from body import DATA

dynamic = "force-dynamic"


async def GET():
    return DATA
