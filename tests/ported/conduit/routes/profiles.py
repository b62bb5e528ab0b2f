"""Profiles, and following them."""

from fastapi import APIRouter, HTTPException

from millpond import response_tags, static
from ported.conduit.audience import MembersRoute
from ported.conduit.dependencies import CurrentUser, Users
from ported.conduit.models import ProfileInResponse

router = APIRouter(prefix="/profiles", tags=["profiles"])
members = APIRouter(prefix="/profiles", route_class=MembersRoute, include_in_schema=False)


@members.get("/{username}")
async def profile_for_member(username: str, users: Users, user: CurrentUser) -> ProfileInResponse:
    return ProfileInResponse(profile=await users.profile(username, user))


@router.get("/{username}")
@static(revalidate=3600)
async def profile(username: str, users: Users) -> ProfileInResponse:
    response_tags(f"profile:{username}")
    return ProfileInResponse(profile=await users.profile(username, None))


@router.post("/{username}/follow")
async def follow(username: str, users: Users, user: CurrentUser) -> ProfileInResponse:
    if username == user.username:
        raise HTTPException(422, "you can't follow yourself")
    await users.follow(user, await users.by_name(username))
    return ProfileInResponse(profile=await users.profile(username, user))


@router.delete("/{username}/follow")
async def unfollow(username: str, users: Users, user: CurrentUser) -> ProfileInResponse:
    await users.unfollow(user, await users.by_name(username))
    return ProfileInResponse(profile=await users.profile(username, user))
