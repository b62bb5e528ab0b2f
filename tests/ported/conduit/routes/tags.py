"""All tags of articles."""

from fastapi import APIRouter

from millpond import static
from ported.conduit.dependencies import Articles
from ported.conduit.models import TagsInResponse

router = APIRouter(tags=["tags"])


@router.get("/tags")
@static(revalidate=3600, tags=["tags"])
async def tags(articles: Articles) -> TagsInResponse:
    return TagsInResponse(tags=await articles.tags())
