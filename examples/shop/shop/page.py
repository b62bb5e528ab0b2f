"""A page of the shop: as plain as HTML can be, with a head for browsers, phones and social networks."""

from __future__ import annotations

from html import escape

from millpond import HTMLResponse
from millpond.metadata import head_links

from shop.site import site_url

_STYLE = """
body { font: 1.1rem/1.5 Georgia, serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }
body { background: #fbf6ec; color: #22302c }
a { color: #1f5a50; margin-right: .5rem }
img { max-width: 100%; height: auto; border: 1px solid #5d6b62 }
"""


def page(title: str, path: str, body: str) -> HTMLResponse:
    """The page at `path`; `title` is text, `body` is HTML."""
    links = head_links(path, base_url=site_url())  # what app/ has for the path: icons, the manifest, images
    return HTMLResponse(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n"
        f'<meta property="og:title" content="{escape(title)}">\n'
        f"<style>{_STYLE}</style>\n"
        f"{links}\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
