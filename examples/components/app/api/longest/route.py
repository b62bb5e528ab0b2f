"""The longest river: live, because the query is outside of any cached function."""

from typing import Any

from gazetteer.db import rows


def GET() -> dict[str, Any]:
    return rows("SELECT name, km FROM river ORDER BY km DESC LIMIT 1")[0]
