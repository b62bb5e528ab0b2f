from millpond import revalidate_path


async def POST(id: str) -> dict[str, bool]:  # noqa: A002 - the segment's name
    revalidate_path(f"/items/{id}")
    return {"done": True}
