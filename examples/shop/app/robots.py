"""robots.txt: fresh, because it names the parts of the sitemap, and there may be more of them tomorrow."""

from millpond.metadata import Robots

from shop.listing import parts
from shop.site import site_url

revalidate = 3600
frozen_ok = ("env:SHOP_URL",)


def robots() -> Robots:
    site = site_url()
    return {
        "rules": {"allow": "/", "disallow": ["/api/", "/upstream/"]},
        "sitemap": [f"{site}/sitemap.xml", *(f"{site}/products/sitemap/{part}.xml" for part in range(parts()))],
    }
