"""Search: live. The answer depends on the query, and a cached answer is the same for every query."""

from typing import Annotated

from fastapi import Depends, Query
from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.db import session
from shop.models import Product


def GET(
    opened: Annotated[Session, Depends(session)],
    q: Annotated[str, Query(min_length=2, max_length=50)],
) -> list[dict[str, object]]:
    found = select(Product).where(Product.name.icontains(q, autoescape=True)).order_by(Product.slug)
    return [product.as_dict() for product in opened.scalars(found)]
