import asyncio

from body import DATA

dynamic = "force-dynamic"


async def GET():
    await asyncio.sleep(0.05)
    return {"rows": [DATA] * 20}
