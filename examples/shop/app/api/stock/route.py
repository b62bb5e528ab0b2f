"""Stock levels: a fresh GET beside a webhook. The POST runs each time; the GET stays cached all the same."""

import logging

from millpond import JSONResponse, after
from pydantic import BaseModel, NonNegativeInt
from sqlalchemy import select

from shop.db import open_session
from shop.models import Product

revalidate = 5
frozen_ok = ("env:SHOP_DATABASE",)

log = logging.getLogger("shop.stock")


class Delivery(BaseModel):
    """What the warehouse sends."""

    slug: str
    stock: NonNegativeInt


def GET() -> dict[str, int]:
    with open_session() as session:
        return {product.slug: product.stock for product in session.scalars(select(Product).order_by(Product.slug))}


def POST(delivery: Delivery) -> JSONResponse:
    with open_session() as session, session.begin():
        product = session.get(Product, delivery.slug)
        if product is None:
            return JSONResponse({"detail": f"There is no product {delivery.slug}."}, status_code=422)
        product.stock = delivery.stock
    after(log.warning, "stock of %s: %d", delivery.slug, delivery.stock)  # once the warehouse has its answer
    # Nothing tells the GET: it notices when its answer is five seconds old.
    return JSONResponse({"slug": delivery.slug, "stock": delivery.stock})
