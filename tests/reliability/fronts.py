"""Servers that stand in front of Millpond, as docs/deploy.md has them."""

from __future__ import annotations

import re
from pathlib import Path

SBIN = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
"""Where such servers are; not every user's PATH has it."""

_GUIDE = Path(__file__).parents[2] / "docs" / "deploy.md"


def shown(kind: str, about: str) -> str:
    """The block of the guide of that kind whose first line, a comment, says `about`."""
    fence = re.compile(rf"^```{kind}\n(# [^\n]*\n.*?)^```$", re.MULTILINE | re.DOTALL)
    found = [str(block[1]) for block in fence.finditer(_GUIDE.read_text("utf-8"))]
    return next(block for block in found if about in block.split("\n", 1)[0])
