"""Pages of the dashboard as their readers see them: parsed, without markup."""

from __future__ import annotations

from html.parser import HTMLParser


class PageText(HTMLParser):
    """The text of a page, its tables and its links."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        """The cells of each table row."""
        self.links: list[str] = []
        self.tags: list[str] = []
        """The names of all elements, in their order."""
        self.attributes: list[tuple[str, str | None]] = []
        self._pieces: list[str] = []
        self._in_cell = False
        self.feed(html)
        self.close()
        self.text = " ".join(" ".join(self._pieces).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self._in_cell = True
        elif tag == "a":
            self.links.append(dict(attrs).get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        self._pieces.append(data)
        if self._in_cell and self.rows and self.rows[-1]:
            self.rows[-1][-1] = " ".join(f"{self.rows[-1][-1]} {data}".split())

    def first_cells(self) -> list[str]:
        """The first cell of each row below the heading."""
        return [row[0].split()[0] for row in self.rows[1:] if row and row[0]]
