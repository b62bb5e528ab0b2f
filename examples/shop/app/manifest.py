"""The web app manifest: static. With it a browser offers to install the shop."""

from millpond.metadata import Manifest

from shop.pictures import GREEN, PAPER
from shop.site import site_name

frozen_ok = ("env:SHOP_NAME",)


def manifest() -> Manifest:
    return {
        "name": site_name(),
        "short_name": "Millpond",
        "start_url": "/",
        "display": "standalone",
        "background_color": PAPER,
        "theme_color": GREEN,
        "icons": [
            {"src": "/icon/192", "sizes": "192x192", "type": "image/png"},
            {"src": "/icon/512", "sizes": "512x512", "type": "image/png"},
            {"src": "/apple-icon", "sizes": "180x180", "type": "image/png", "purpose": "maskable"},
        ],
    }
