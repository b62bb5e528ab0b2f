"""The products for search engines: fresh, one sitemap for each part of the list, all rendered at build."""

from millpond.metadata import SitemapEntry

from shop.listing import parts, slugs
from shop.site import site_url

revalidate = 3600
frozen_ok = ("env:SHOP_URL",)


def generate_sitemaps() -> list[dict[str, int]]:
    return [{"id": part} for part in range(parts())]


def sitemap(id: int) -> list[SitemapEntry]:  # noqa: A002 - its name
    return [{"url": f"{site_url()}/products/{slug}", "change_frequency": "weekly"} for slug in slugs(id)]
