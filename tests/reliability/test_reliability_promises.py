from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_promises_name_is_there() -> None:
    text = (ROOT / "docs" / "consistency.md").read_text("utf-8")
    _, _, table = text.partition("\n## Tests\n")
    file, checked = "", 0
    for name in re.findall(r"`(tests/[\w/]+\.py|test_\w+)`", table):
        if name.startswith("tests/"):
            file = (ROOT / name).read_text("utf-8")
        else:
            assert f"def {name}(" in file, name
            checked += 1
    assert checked > 20
