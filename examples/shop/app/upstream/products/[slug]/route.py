"""The upstream: one product, and its price."""

from typing import Annotated

from fastapi import Depends
from millpond import not_found
from sqlalchemy.orm import Session

from shop.admin import admin
from shop.db import session
from shop.models import Product
from shop.upstream import PriceChange

dynamic = "force-dynamic"


def GET(slug: str, opened: Annotated[Session, Depends(session)]) -> dict[str, object]:
    return _found(slug, opened).as_dict()


def PUT(
    slug: str,
    change: PriceChange,
    opened: Annotated[Session, Depends(session)],
    _: Annotated[None, Depends(admin)],
) -> dict[str, object]:
    product = _found(slug, opened)
    product.price_cents = change.price_cents
    opened.commit()
    return product.as_dict()


def _found(slug: str, opened: Session) -> Product:
    product = opened.get(Product, slug)
    if product is None:
        not_found()
    return product
