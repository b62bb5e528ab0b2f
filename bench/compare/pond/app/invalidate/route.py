from millpond import revalidate_path


async def POST() -> dict[str, bool]:
    revalidate_path("/hit")
    return {"done": True}
