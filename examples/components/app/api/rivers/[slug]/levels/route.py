"""The levels of one river: live, because nothing says for which rivers to render it."""

from typing import Annotated, Any

from fastapi import Body
from millpond import not_found

from gazetteer.db import change, rows
from gazetteer.rivers import river


def GET(slug: str) -> list[dict[str, Any]]:
    return rows("SELECT centimetres, at FROM level WHERE river = ? ORDER BY at DESC LIMIT 20", slug)


def POST(slug: str, centimetres: Annotated[int, Body(embed=True)]) -> dict[str, int]:
    if river(slug) is None:
        not_found()
    change("INSERT INTO level (river, centimetres) VALUES (?, ?)", slug, centimetres)
    return {"centimetres": centimetres}
