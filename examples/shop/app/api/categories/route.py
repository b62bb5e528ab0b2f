"""The categories: static. Rendered once, at build."""

from sqlalchemy import select

from shop.db import open_session
from shop.models import Category

dynamic = "force-static"
frozen_ok = ("database", "env:SHOP_DATABASE")  # meant: else the build would refuse, see millpond.toml


def GET() -> list[dict[str, str]]:
    # Pitfall: a query in a static route runs once. A category that is added tomorrow shows up after the next
    # build, and nothing fails until then. Right for data that changes with the code; otherwise set `revalidate`.
    with open_session() as session:
        rows = session.scalars(select(Category).order_by(Category.slug))
        return [{"slug": row.slug, "name": row.name} for row in rows]
