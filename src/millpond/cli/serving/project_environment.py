"""The variables of a project's `.env` files, for processes that don't import the project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.config import env_files_read, load_config

if TYPE_CHECKING:
    import contextlib
    from pathlib import Path


def environment_of(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Within it, the variables of the project's `.env` files are set.

    Raises:
        ConfigError: the configuration is wrong, or a file can't be read.
    """
    return env_files_read(folder, load_config(folder).app.env_files)
