"""The tables."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """What the tables have in common: their metadata."""


class Category(Base):
    """A shelf of the shop."""

    __tablename__ = "category"

    slug: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class Product(Base):
    """Something on a shelf."""

    __tablename__ = "product"

    slug: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    category: Mapped[str] = mapped_column(ForeignKey("category.slug"))
    price_cents: Mapped[int]
    """Money is a whole number of cents: no rounding, no floats."""
    stock: Mapped[int]
    featured: Mapped[bool]
    """Rendered at build; the others when somebody first asks for them."""

    def as_dict(self) -> dict[str, object]:
        """What the API says of it."""
        return {
            "slug": self.slug,
            "name": self.name,
            "category": self.category,
            "price_cents": self.price_cents,
            "in_stock": self.stock > 0,
        }


class Review(Base):
    """What a customer says of a product."""

    __tablename__ = "review"

    id: Mapped[int] = mapped_column(primary_key=True)
    product: Mapped[str] = mapped_column(ForeignKey("product.slug"), index=True)
    stars: Mapped[int]
    text: Mapped[str]
