"""Where a build is in its project."""

from __future__ import annotations

from pathlib import Path

OUTPUT = Path(".millpond") / "build"
"""The output folder within a project; it may be copied to other machines."""

MANIFEST = "manifest.json"
"""The file in it that says what was built."""
