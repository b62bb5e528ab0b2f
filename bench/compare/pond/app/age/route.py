from millpond import revalidate_tag


async def POST() -> dict[str, bool]:
    """All pages below /stale become stale at once: they are served, and rendered again."""
    revalidate_tag("ages", "max")
    return {"done": True}
