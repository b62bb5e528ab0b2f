"""Files that are opened for reading, and folders that are listed."""

from __future__ import annotations

import os
import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

_OPENERS = frozenset(
    {
        "_pyio",
        "aiofiles",
        "bz2",
        "codecs",
        "compression",
        "configparser",
        "fileinput",
        "glob",
        "gzip",
        "io",
        "lzma",
        "os",
        "pathlib",
        "shutil",
        "tarfile",
        "zipfile",
    }
)
"""Packages that open what they are told to."""
_OPENING_MODULES = ("anyio._core._fileio", "xml.etree.ElementTree")


_PYTHON = f"{Path(os.__file__).parent}{os.sep}"
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def is_read(arguments: tuple[Any, ...]) -> bool:
    """Whether the audit event `open` is of a file whose content may be read, and which wasn't made just now."""
    path, _, flags = arguments
    if isinstance(path, int) or not isinstance(flags, int):  # a descriptor was opened by somebody else
        return False
    made = flags & (os.O_TRUNC | os.O_EXCL)
    return flags & (os.O_WRONLY | os.O_RDWR) == os.O_RDONLY or (bool(flags & os.O_RDWR) and not made)


def path_in(arguments: tuple[Any, ...]) -> str:
    """The path that an audit event is about; "." for none."""
    path = arguments[0] if arguments else None
    return os.path.abspath(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else os.getcwd()


def is_installed(path: str) -> bool:
    """Whether a file comes with Python, a package or the system's time zones: it is a part of the code."""
    return path.startswith((_PYTHON, *zoneinfo.TZPATH)) or any(part in path for part in _INSTALLED)


def shown(path: str, project: Path) -> str:
    """As reports name it: relative within the project."""
    return Path(path).relative_to(project).as_posix() if Path(path).is_relative_to(project) else path


def opens_for_caller(frame: FrameType) -> bool:
    """Whether a library's frame between a file and the user's line opens just what that line names.

    What others open is theirs: imports, templates, fonts, time zones, certificates.
    """
    module: str = frame.f_globals.get("__name__", "")
    return module.partition(".")[0] in _OPENERS or module in _OPENING_MODULES
