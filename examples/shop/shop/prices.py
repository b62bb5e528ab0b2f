"""Prices as people read them."""

from __future__ import annotations


def shown(cents: int) -> str:
    """12900 as "129.00"."""
    return f"{cents // 100}.{cents % 100:02d}"
