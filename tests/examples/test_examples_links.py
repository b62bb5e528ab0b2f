"""Links lead somewhere, and nothing is said twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from document_tables import DOCS, DOCUMENTS, REPOSITORY, anchors, headings, links, name_of, section, tables

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_within_the_repository_find_their_document_and_place(document: Path) -> None:
    broken = []
    for target in links(document):
        file, _, fragment = target.partition("#")
        page = (document.parent / file).resolve() if file else document
        if not page.exists() or (fragment and fragment not in anchors(page)):
            broken.append(target)
    assert broken == []


def test_the_readme_lists_every_document_and_no_other() -> None:
    listed = {target for target in links(REPOSITORY / "README.md") if not target.startswith("#")}
    docs = {target for target in listed if target.startswith("docs/") and "#" not in target}
    assert docs == {name_of(document) for document in DOCS}
    assert {name_of(document) for document in DOCUMENTS} - listed == {"README.md"}


def test_the_readme_lists_each_document_once() -> None:
    readme = REPOSITORY / "README.md"
    text = section(readme, "Documentation")
    assert [name_of(document) for document in DOCS if text.count(f"({name_of(document)})") != 1] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_no_document_has_a_heading_twice(document: Path) -> None:
    assert twice(headings(document)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_no_table_has_a_row_twice(document: Path) -> None:
    """Nor two about one name: an option belongs to what the column "of" says, all others stand alone."""
    found = {}
    for table in tables(document):
        key = 2 if "of" in table.columns[1:2] else 1
        named = [" | ".join(row[:key]) for row in table.rows if row[0].startswith("`")]
        if repeated := twice(named) + twice([" | ".join(row) for row in table.rows]):
            found[f"{table.heading}: {' | '.join(table.columns)}"] = repeated
    assert found == {}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_no_list_has_an_item_twice(document: Path) -> None:
    items = [line for line in document.read_text("utf-8").splitlines() if line.startswith("- ") and len(line) > 40]
    assert twice(items) == []


def twice(values: list[str]) -> list[str]:
    return sorted({value for value in values if values.count(value) > 1})
