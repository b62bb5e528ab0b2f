"""Two cached questions at once: static, for as long as the shorter-lived of them."""

import asyncio
from typing import Any

from starlette.concurrency import run_in_threadpool

from gazetteer.rivers import all_rivers, kilometres_by_mouth


async def GET() -> dict[str, Any]:
    rivers, by_mouth = await asyncio.gather(run_in_threadpool(all_rivers), run_in_threadpool(kilometres_by_mouth))
    return {"rivers": len(rivers), "longest": rivers[0]["name"], "kilometres_by_mouth": by_mouth}
