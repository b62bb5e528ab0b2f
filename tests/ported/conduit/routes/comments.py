"""Comments of an article."""

from typing import Annotated

from fastapi import APIRouter, Body, HTTPException

from millpond import response_tags, revalidate_path, static
from ported.conduit.audience import MembersRoute
from ported.conduit.dependencies import Articles, Comments, CurrentUser, Slug
from ported.conduit.models import CommentInResponse, CommentsInResponse, NewComment

PREFIX = "/articles/{slug}/comments"
router = APIRouter(prefix=PREFIX, tags=["comments"])
members = APIRouter(prefix=PREFIX, route_class=MembersRoute, include_in_schema=False)


@members.get("")
async def comments_for_member(slug: Slug, comments: Comments, user: CurrentUser) -> CommentsInResponse:
    return CommentsInResponse(comments=await comments.of(slug, user))


@router.get("")
@static(revalidate=3600)
async def list_comments(slug: Slug, comments: Comments) -> CommentsInResponse:
    found = await comments.of(slug, None)
    response_tags(f"article:{slug}", *(f"profile:{each.author.username}" for each in found))
    return CommentsInResponse(comments=found)


@router.post("")
async def create(
    slug: Slug,
    comment: Annotated[NewComment, Body(embed=True)],
    articles: Articles,
    comments: Comments,
    user: CurrentUser,
) -> CommentInResponse:
    await articles.author_of(slug)
    created = await comments.create(slug, user, comment.body)
    revalidate_path(f"/api/articles/{slug}/comments")
    return CommentInResponse(comment=created)


@router.delete("/{comment}", status_code=204)
async def delete(slug: Slug, comment: int, comments: Comments, user: CurrentUser) -> None:
    if await comments.author_of(slug, comment) != user.id:
        raise HTTPException(403, "you are not the author of this comment")
    await comments.delete(comment)
    revalidate_path(f"/api/articles/{slug}/comments")
