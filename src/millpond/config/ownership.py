"""Whose a folder is that this process may not use, and what to do about it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

try:
    import pwd
except ImportError:  # Windows has no such users
    pwd = None  # type: ignore[assignment]

WRITE, READ = os.R_OK | os.W_OK, os.R_OK


def whose(folder: Path, names: tuple[str, ...] = (), needed: int = WRITE) -> str:
    """A sentence about what is in the way of this process by its owner and mode, beginning with a blank.

    Empty where nothing is: on a read-only file system, say.

    Args:
        folder: what this process wanted to use, whether it is there or not.
        names: the files in it that it wanted to use.
        needed: `WRITE` or `READ`.
    """
    if pwd is None:
        return ""
    folder = folder.absolute()
    for path in (folder, *(folder / name for name in names)):
        refused = _refused(path, needed)
        if refused is None:
            continue
        about = refused.stat()
        user = os.geteuid()
        remedy = "let that user in."
        if refused.is_relative_to(folder):
            remedy = f"run all that use it as one user, or give it to this one: chown -R {user} {folder}"
        return (
            f" {refused} belongs to {_name(about.st_uid)} ({stat.filemode(about.st_mode)}), and this process runs as "
            f"{_name(user)}: {remedy}"
        )
    return ""


def _refused(path: Path, needed: int) -> Path | None:
    """The first on the way to `path` that this process may not use as it has to."""
    above = Path("/")
    for step in (*reversed(path.parents), path):
        if not os.path.lexists(step):  # it would be made, in the folder above
            return None if _may(above, os.W_OK | os.X_OK) else above
        if not _may(step, needed if step == path else os.X_OK):
            return step
        above = step
    return None


def _may(path: Path, mode: int) -> bool:
    # Files are opened as the effective user, who may be another than the one that began the process.
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _name(user: int) -> str:
    try:
        return f"{pwd.getpwuid(user).pw_name} (uid {user})"
    except KeyError:
        return f"uid {user}"
