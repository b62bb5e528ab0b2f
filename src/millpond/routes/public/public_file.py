"""A file of `public/`, and what of it a URL can name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from millpond.policy.entry import Coding

METHODS = ("GET", "HEAD")
"""Any other method of a file's URL is 405."""

EXTENSIONS: dict[Coding, str] = {"zstd": ".zst", "br": ".br", "gzip": ".gz"}
"""Of the files beside a file that are its content, compressed."""

_WELL_KNOWN = ".well-known"


@dataclass(frozen=True, slots=True)
class PublicFile:
    """One file."""

    path: Path
    """Absolute."""
    file: str
    """Relative to the project, with slashes: "public/logo.png"."""
    size: int
    """In bytes, when it was found."""
    codings: tuple[Coding, ...] = ()
    """In which it lies compressed beside itself; the smallest one first."""

    def compressed(self, coding: Coding) -> Path:
        """The file with the same content in `coding`."""
        return self.path.with_name(self.path.name + EXTENSIONS[coding])


def is_servable(names: Sequence[str]) -> bool:
    """Whether a file may be served by its name and those of its folders.

    Hidden ones may not: they hold what editors, version control and deployments leave behind. The folder .well-known
    at the top may, as its URLs are fixed by others (RFC 8615).
    """
    visible = names[1:] if len(names) > 1 and names[0] == _WELL_KNOWN else names
    return bool(visible) and all(map(_is_visible, visible))


def _is_visible(name: str) -> bool:
    return bool(name) and not name.startswith(".") and not {"/", "\\", "\0"} & set(name)
