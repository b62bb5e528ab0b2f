"""What people call fetched data: its method and URL, without what lets somebody in."""

from __future__ import annotations

import os
import re

from millpond.render.failures.masking import masked

LONGEST = 300
"""Characters."""
_SECRET = re.compile(r"(?i)(?<=[?&])([^=&]*(?:key|token|secret|passw|auth|sign|session)[^=&]*)=[^&]*")


def fetch_label(name: str) -> str:
    """The label of a method and URL, whose credentials are left out already.

    Values of parameters that are called a key, a token or the like, and those of environment variables, are masked.
    """
    text = masked(_SECRET.sub(r"\1=***", name), os.environ)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
