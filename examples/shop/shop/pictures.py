"""The shop's pictures: the cards that social networks show beside a link, and the icons."""

from __future__ import annotations

from typing import Any

from millpond import ImageResponse
from pictex import Column, Element, Row, Text

from shop.lettering import FONTS, title
from shop.prices import shown
from shop.site import site_name

PAPER, INK, GREEN, MIST, STONE = "#fbf6ec", "#22302c", "#1f5a50", "#e4e7d8", "#5d6b62"

EDGE = 72
"""Pixels to the left and the right of a card's text."""
TITLE_HEIGHT = 200
"""Pixels that the rest of a card leaves for the name."""


def product_card(product: dict[str, Any], width: int, height: int) -> ImageResponse:
    """A product with its price."""
    price = Text(shown(product["price_cents"])).font_size(64).color(PAPER)
    stock = "In stock" if product["in_stock"] else "Sold out"
    shop = Text(site_name()).font_size(36).color(GREEN)
    return _card(
        Row(_ripples(60, GREEN, PAPER), shop).gap(20).align_items("center"),
        Column(
            Text(product["category"].capitalize()).font_size(38).color(STONE),
            title(product["name"], width - 2 * EDGE, TITLE_HEIGHT).color(INK),
        ).gap(14),
        Row(
            price.background_color(GREEN).padding(10, 34).border_radius(18),
            Text(stock).font_size(38).color(STONE),
        )
        .gap(32)
        .align_items("center"),
        width=width,
        height=height,
    )


def shop_card(name: str, width: int, height: int) -> ImageResponse:
    """The shop as a whole."""
    return _card(
        _ripples(120, GREEN, PAPER),
        Column(
            title(name, width - 2 * EDGE, TITLE_HEIGHT).color(INK),
            Text("Chairs, desks and lamps").font_size(44).color(STONE),
        ).gap(20),
        width=width,
        height=height,
    )


def icon(side: int, *, rounded: bool) -> ImageResponse:
    """The shop's mark. Where the system cuts icons to its own shape, leave the corners."""
    ground = Row(_ripples(side * 0.7, PAPER, GREEN)).size(side, side).background_color(GREEN)
    ground.justify_content("center").align_items("center").border_radius(side * 0.22 if rounded else 0)
    return ImageResponse(ground, width=side, height=side)


def _card(*content: Element, width: int, height: int) -> ImageResponse:
    water = _ripples(560, MIST, PAPER).absolute_position(right=-150, bottom=-190)
    card = Column(water, *content).justify_content("space-between")
    return ImageResponse(
        card.size(width, height).padding(60, EDGE).background_color(PAPER), width=width, height=height, fonts=FONTS
    )


def _ripples(side: float, color: str, ground: str) -> Row:
    """A drop and two rings, as discs that lie on each other."""
    ripples = _disc(side * 0.22, color)
    for share, painted in ((0.5, ground), (0.62, color), (0.88, ground), (1.0, color)):
        ripples = _disc(side * share, painted, ripples)
    return ripples


def _disc(side: float, color: str, *inside: Element) -> Row:
    disc = Row(*inside).size(side, side).border_radius(side / 2).background_color(color)
    return disc.justify_content("center").align_items("center")
