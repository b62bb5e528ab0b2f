"""All tags of articles."""

from fastapi import APIRouter

from conduit.dependencies import Articles
from conduit.models import TagsInResponse
from millpond import static

router = APIRouter(tags=["tags"])


@router.get("/tags")
@static(revalidate=3600, tags=["tags"])
async def tags(articles: Articles) -> TagsInResponse:
    return TagsInResponse(tags=await articles.tags())
