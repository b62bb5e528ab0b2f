"""A reader finds a request's way: few files to its decision, few to its answer, and docs/design.md names them."""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import table, walks

pytestmark = pytest.mark.anyio

DOCUMENT = Path(__file__).parents[2] / "docs" / "design.md"


async def test_a_request_is_followed_through_few_files_and_the_design_names_them() -> None:
    followed = await walks()
    assert all(0 < len(walk.to_decision) <= 4 for walk in followed)
    assert all(0 < len(walk.to_bytes) <= 7 for walk in followed)
    assert table(followed) in DOCUMENT.read_text("utf-8"), "print it with `python tests/house/reading.py`"
