"""The upstream: the service that owns the catalogue. Here it is part of the shop, so that the shop runs alone.

The shop calls it through `fetch("/upstream/products")`: answered in this process, at build too, without a port.
"""

from typing import Annotated

from fastapi import Depends
from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.db import session
from shop.models import Product

dynamic = "force-dynamic"  # who calls it caches; were it static, there would be two caches to invalidate
advise_ok = ("live-query",)


def GET(opened: Annotated[Session, Depends(session)], *, featured: bool = False) -> list[dict[str, object]]:
    wanted = select(Product).order_by(Product.name)
    if featured:
        wanted = wanted.where(Product.featured)
    return [product.as_dict() for product in opened.scalars(wanted)]
