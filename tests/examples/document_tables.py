"""What the documentation says in tables, code spans, headings and links, for comparisons with the real thing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[2]
DOCS = sorted((REPOSITORY / "docs").glob("*.md"))
DOCUMENTS = [
    *(REPOSITORY / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY", "CHANGELOG")),
    *DOCS,
    *sorted((REPOSITORY / "examples").glob("*/README.md")),
]
REFERENCE = REPOSITORY / "docs" / "reference.md"

_BLOCK = re.compile(r"^```.*?^```$|^    [^\n]*$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_CELL_END = re.compile(r"(?<!\\)\|")
_RULER = re.compile(r"[\s|:-]+")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


class Table(NamedTuple):
    """A table: the heading that it is below, its columns' names, and its rows."""

    heading: str
    columns: list[str]
    rows: list[list[str]]


def name_of(document: Path) -> str:
    """A document's path in the repository, for the names of tests."""
    return document.relative_to(REPOSITORY).as_posix()


def prose(document: Path) -> str:
    """A document's text without its blocks of code."""
    return _BLOCK.sub("", document.read_text("utf-8"))


def headings(document: Path) -> list[str]:
    """The headings of a document, as they are written."""
    return [title for _, title in _HEADING.findall(prose(document))]


def section(document: Path, heading: str) -> str:
    """The text below a heading, up to the next one of its level or above."""
    text = document.read_text("utf-8")
    start = next(found for found in _HEADING.finditer(text) if found[2] == heading)
    ends = (found for found in _HEADING.finditer(text, start.end()) if len(found[1]) <= len(start[1]))
    return text[start.end() : next((found.start() for found in ends), len(text))]


def tables(document: Path) -> list[Table]:
    """The tables of a document, in their order."""
    heading, found, lines = "", [], prose(document).splitlines()
    for number, line in enumerate(lines):
        if title := _HEADING.match(line):
            heading = title[2]
        ruled = number + 1 < len(lines) and "|" in lines[number + 1] and _RULER.fullmatch(lines[number + 1])
        if line.startswith("|") and ruled:
            found.append(Table(heading, _cells(line), []))
        elif line.startswith("|") and not _RULER.fullmatch(line):
            found[-1].rows.append(_cells(line))
    return found


def table(document: Path, heading: str, first_column: str) -> list[list[str]]:
    """The rows of the one table below `heading` whose first column has that name."""
    (rows,) = [each.rows for each in tables(document) if (each.heading, each.columns[0]) == (heading, first_column)]
    return rows


def codes(text: str) -> list[str]:
    """The code spans of a text."""
    return [span.replace("\n", " ") for _, span in _CODE.findall(text)]


def links(document: Path) -> list[str]:
    """Where the links of a document lead that stay in the repository."""
    return [target for target in _LINK.findall(prose(document)) if not re.match(r"[a-z]+:", target)]


def anchors(document: Path) -> set[str]:
    """The fragments that links to a document may have: those of its headings, and those written into it."""
    slugs = {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings(document)}
    return slugs | set(re.findall(r'<a id="([^"]+)">', document.read_text("utf-8")))


def _cells(line: str) -> list[str]:
    """A row's cells. A `|` within a code span has a backslash before it, as GitHub wants it."""
    return [cell.strip().replace("\\|", "|") for cell in _CELL_END.split(line)[1:-1]]
