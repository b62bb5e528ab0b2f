"""The river of the day: live, because it reads the clock."""

from datetime import date
from typing import Any

from gazetteer.rivers import all_rivers


async def GET() -> dict[str, Any]:
    rivers = all_rivers()
    return rivers[date.today().toordinal() % len(rivers)]
