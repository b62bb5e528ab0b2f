"""One product: fresh. The featured ones are rendered at build, the others when somebody first asks for them."""

from millpond import not_found
from sqlalchemy import select

from shop.db import open_session
from shop.models import Product

revalidate = 60


def generate_static_params() -> list[dict[str, str]]:
    with open_session() as session:
        featured = select(Product.slug).where(Product.featured).order_by(Product.slug)
        return [{"slug": slug} for slug in session.scalars(featured)]


def GET(slug: str) -> dict[str, object]:
    with open_session() as session:
        product = session.get(Product, slug)
        if product is None:
            not_found()  # stored like any answer: a product with this slug shows up when the 404 is a minute old
        return product.as_dict()
