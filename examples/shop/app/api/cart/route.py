"""The cart: live, because it reads a cookie. Each customer has an own answer, so none may be stored."""

from typing import Annotated

from millpond import JSONResponse, Response, cookies
from pydantic import BaseModel, Field

from shop.cart import COOKIE, MOST, priced, read_cart, write_cart
from shop.db import open_session
from shop.models import Product


class Line(BaseModel):
    """What a customer puts into the cart."""

    slug: str
    pieces: Annotated[int, Field(ge=1, le=MOST)] = 1


def GET() -> dict[str, object]:
    with open_session() as session:
        return priced(read_cart(cookies().get(COOKIE)), session)


def POST(line: Line) -> JSONResponse:
    cart = read_cart(cookies().get(COOKIE))
    with open_session() as session:
        if session.get(Product, line.slug) is None:
            return JSONResponse({"detail": f"There is no product {line.slug}."}, status_code=422)
        cart[line.slug] = min(cart.get(line.slug, 0) + line.pieces, MOST)
        cookies().set(COOKIE, write_cart(cart), httponly=True)
        return JSONResponse(priced(cart, session), status_code=201)


def DELETE() -> Response:
    cookies().delete(COOKIE)
    return Response(status_code=204)
