"""Questions to the database whose answers are kept."""

from __future__ import annotations

from typing import Any

from millpond import cache_life, cache_tag, cached

from gazetteer.db import rows


@cached(tags=["rivers"], life="catalog")
def all_rivers() -> list[dict[str, Any]]:
    """Every river, the longest first."""
    return rows("SELECT slug, name, km FROM river ORDER BY km DESC")


@cached(tags=["rivers"])
def river(slug: str) -> dict[str, Any] | None:
    """One river, or None. Without a lifetime of its own it has the default one: 15 minutes."""
    cache_tag(f"river:{slug}")
    found = rows("SELECT * FROM river WHERE slug = ?", slug)
    return found[0] if found else None


@cached(tags=["rivers"])
def kilometres_by_mouth() -> dict[str, int]:
    """How many kilometres of rivers end in which country."""
    cache_life("hours")
    found = rows("SELECT mouth, sum(km) AS km FROM river GROUP BY mouth ORDER BY mouth")
    return {row["mouth"]: row["km"] for row in found}


@cached(life="seconds")
def latest_levels() -> list[dict[str, Any]]:
    """The last level of each river. Good for a second: too short-lived for what is rendered at build."""
    return rows("SELECT river, centimetres, max(at) AS at FROM level GROUP BY river ORDER BY river")
