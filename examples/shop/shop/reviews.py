"""What customers say of a product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from millpond import cache_life, cache_tag, cached, revalidate_tag
from pydantic import BaseModel, Field
from sqlalchemy import select

from shop.db import open_session
from shop.models import Product, Review

SHOWN = 20
"""The latest ones; more are kept, and not shown."""


class NewReview(BaseModel):
    """What a customer sends."""

    stars: Annotated[int, Field(ge=1, le=5)]
    text: Annotated[str, Field(min_length=1, max_length=500)]


@dataclass
class Shown:
    """What the API says of a review."""

    stars: int
    text: str


@cached
def latest_reviews(slug: str) -> list[Shown]:
    """The latest reviews of a product. A database query knows no tags, so the function gives its own."""
    cache_life("days")
    cache_tag(f"reviews:{slug}")
    with open_session() as session:
        rows = session.scalars(select(Review).where(Review.product == slug).order_by(Review.id.desc()).limit(SHOWN))
        return [Shown(row.stars, row.text) for row in rows]


def add_review(slug: str, review: NewReview) -> bool:
    """Keep a review. False when there is no such product."""
    with open_session() as session, session.begin():
        if session.get(Product, slug) is None:
            return False
        session.add(Review(product=slug, stars=review.stars, text=review.text))
    # "max": the old reviews are shown once more, at once, while the new ones are read. Nobody waits for a review.
    revalidate_tag(f"reviews:{slug}", "max")
    return True
