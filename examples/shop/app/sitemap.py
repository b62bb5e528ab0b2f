"""The pages that are no products: static."""

from millpond.metadata import SitemapEntry

from shop.site import site_url

frozen_ok = ("env:SHOP_URL",)


def sitemap() -> list[SitemapEntry]:
    return [{"url": f"{site_url()}/", "change_frequency": "daily", "priority": 1}]
