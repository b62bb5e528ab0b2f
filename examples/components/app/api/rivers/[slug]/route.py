"""One river: three are rendered at build, others at their first request. A PUT that invalidates."""

from typing import Annotated, Any

from fastapi import Body
from millpond import not_found, revalidate_tag

from gazetteer.db import change
from gazetteer.rivers import all_rivers, river


def generate_static_params() -> list[dict[str, str]]:
    return [{"slug": found["slug"]} for found in all_rivers()[:3]]


async def GET(slug: str) -> dict[str, Any]:
    return river(slug) or not_found()


def PUT(slug: str, km: Annotated[int, Body(embed=True, gt=0)]) -> dict[str, Any]:
    if not change("UPDATE river SET km = ? WHERE slug = ?", km, slug):
        not_found()
    revalidate_tag("rivers")
    return {"slug": slug, "km": km}
