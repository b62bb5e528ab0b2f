"""Which folders of a project hold its own code, and which are tools'."""

from __future__ import annotations

_FOREIGN = {"__pycache__", "node_modules", "site-packages", "venv"}


def is_foreign(folder: str) -> bool:
    """Whether a folder is a tool's: hidden ones are, but for `.well-known`, which may hold routes (RFC 8615).

    Args:
        folder: its name alone.
    """
    return folder in _FOREIGN or (folder.startswith(".") and folder != ".well-known")
