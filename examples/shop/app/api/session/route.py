"""The admin's session: live, as it reads a cookie. POST signs in, DELETE signs out."""

from typing import Annotated

from fastapi import Depends
from millpond import JSONResponse, Request, Response, cookies
from pydantic import BaseModel

from shop.admin import COOKIE, LASTS, is_right, is_signed_in, new_session


class Credentials(BaseModel):
    """What an admin signs in with."""

    token: str


def GET(signed_in: Annotated[bool, Depends(is_signed_in)]) -> dict[str, bool]:
    return {"admin": signed_in}


def POST(credentials: Credentials, request: Request) -> JSONResponse:
    if not is_right(credentials.token):
        return JSONResponse({"detail": "That isn't the token."}, 401)
    # Pages of other sites can't send a strict cookie: none of them can change a price in the admin's name.
    secure = request.url.scheme == "https"
    cookies().set(COOKIE, new_session(), max_age=LASTS, httponly=True, samesite="strict", secure=secure)
    return JSONResponse({"admin": True}, 201)


def DELETE() -> Response:
    cookies().delete(COOKIE)
    return Response(status_code=204)
