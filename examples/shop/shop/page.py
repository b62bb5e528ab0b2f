"""A page of the shop: as plain as HTML can be, with a head for browsers, phones and social networks."""

from __future__ import annotations

from html import escape

from millpond import HTMLResponse
from millpond.metadata import head_links

from shop.site import site_url


def page(title: str, path: str, body: str) -> HTMLResponse:
    """The page at `path`; `title` is text, `body` is HTML."""
    links = head_links(path, base_url=site_url())  # what app/ has for the path: icons, the manifest, images
    return HTMLResponse(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n"
        f'<meta property="og:title" content="{escape(title)}">\n'
        f"{links}\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
