"""The owner of a folder that this process may not use, and what to do about it."""

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
    """A sentence, with a leading space, about the owner and mode that deny this process access.

    Empty if neither does, for example on a read-only file system.

    Args:
        folder: the folder that this process needs; it may not exist.
        names: the files in it that this process needs.
        needed: `WRITE` or `READ`.
    """
    if pwd is None:
        return ""
    folder = folder.absolute()
    for path in (folder, *(folder / name for name in names)):
        refused = _refused(path, needed)
        if refused is None:
            continue
        try:
            about = refused.stat()
        except OSError:  # a symbolic link that leads nowhere: nobody's access would help
            continue
        user = os.geteuid()
        remedy = "give that user access."
        if refused.is_relative_to(folder):
            remedy = f"run everything that uses it as one user, or change its owner: chown -R {user} {folder}"
        return (
            f" {refused} belongs to {_name(about.st_uid)} ({stat.filemode(about.st_mode)}), and this process runs as "
            f"{_name(user)}: {remedy}"
        )
    return ""


def _refused(path: Path, needed: int) -> Path | None:
    """The first step on the way to `path` that denies this process the access it needs."""
    above = Path("/")
    for step in (*reversed(path.parents), path):
        if not os.path.lexists(step):  # it would be created in the folder above
            return None if _may(above, os.W_OK | os.X_OK) else above
        if not _may(step, needed if step == path else os.X_OK):
            return step
        above = step
    return None


def _may(path: Path, mode: int) -> bool:
    # Files are opened as the effective user, which may differ from the user that started the process.
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _name(user: int) -> str:
    try:
        return f"{pwd.getpwuid(user).pw_name} (uid {user})"
    except KeyError:
        return f"uid {user}"
