"""All products: fresh, at most a minute old when somebody keeps asking."""

from sqlalchemy import select

from shop.db import open_session
from shop.models import Product

revalidate = 60


def GET() -> list[dict[str, object]]:
    with open_session() as session:
        return [product.as_dict() for product in session.scalars(select(Product).order_by(Product.slug))]
