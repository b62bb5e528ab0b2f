"""Registration, login, and the user's own account."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, HTTPException

from millpond import revalidate_tag
from ported.conduit.dependencies import CurrentUser, Users, get_settings
from ported.conduit.models import Account, AccountChange, AccountInResponse, Login, Registration
from ported.conduit.repositories.users import User
from ported.conduit.security import make_token, password_matches
from ported.conduit.settings import Settings

router = APIRouter(tags=["users"])
InSettings = Annotated[Settings, Depends(get_settings)]


def account(user: User, settings: Settings) -> AccountInResponse:
    token = make_token(user.id, settings.secret)
    return AccountInResponse(
        user=Account(email=user.email, token=token, username=user.username, bio=user.bio, image=user.image)
    )


@router.post("/users", status_code=201)
async def register(
    user: Annotated[Registration, Body(embed=True)], users: Users, settings: InSettings
) -> AccountInResponse:
    for column in ("username", "email"):
        if await users.taken(column, getattr(user, column)):
            raise HTTPException(422, f"{column} has already been taken")
    return account(await users.create(user.username, user.email, user.password), settings)


@router.post("/users/login")
async def login(user: Annotated[Login, Body(embed=True)], users: Users, settings: InSettings) -> AccountInResponse:
    found = await users.by_email(user.email)
    if found is None or not password_matches(user.password, found.password):
        raise HTTPException(422, "email or password is invalid")
    return account(found, settings)


@router.get("/user")
async def current(user: CurrentUser, settings: InSettings) -> AccountInResponse:
    return account(user, settings)


@router.put("/user")
async def change(
    current: CurrentUser,
    user: Annotated[AccountChange, Body(embed=True)],
    users: Users,
    settings: InSettings,
) -> AccountInResponse:
    changes = user.model_dump(exclude_unset=True)
    for column in ("username", "email"):
        if changes.get(column, getattr(current, column)) != getattr(current, column) and await users.taken(
            column, changes[column]
        ):
            raise HTTPException(422, f"{column} has already been taken")
    changed = await users.change(current, changes)
    revalidate_tag(f"profile:{current.username}")
    revalidate_tag(f"profile:{changed.username}")
    return account(changed, settings)
