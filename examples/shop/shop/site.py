"""What the shop is called, where it is, and who may show what it says."""

from __future__ import annotations

import os


def site_name() -> str:
    """SHOP_NAME, or "The Millpond shop"."""
    return os.environ.get("SHOP_NAME", "The Millpond shop")


def partners() -> list[str]:
    """SHOP_PARTNERS: origins whose pages may read the shop's answers, with spaces between them."""
    return os.environ.get("SHOP_PARTNERS", "https://partner.example").split()


def site_url() -> str:
    """SHOP_URL without a slash at its end: search engines and social networks need whole URLs.

    Pitfall: what is rendered at build has the SHOP_URL of the machine that builds.
    """
    return os.environ.get("SHOP_URL", "http://127.0.0.1:8000").rstrip("/")
