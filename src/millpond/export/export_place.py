"""Where an export writes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from millpond.export.export_record import FileRecord


class Present(NamedTuple):
    """A file that is there."""

    size: int
    tag: str
    """What tells whether it is what was written: its SHA-256, or what the place says of it."""


class ExportPlace(Protocol):
    """A folder, or a bucket with a prefix. Names are relative, with slashes. Each method may be called by threads.

    Each raises CommandError where the place can't be reached, read or written.
    """

    label: str
    """What messages call it."""
    is_flat: bool
    """Whether it has no folders, and tells upper case from lower case."""
    keeps_headers: bool
    """Whether files have headers there, so that a server of them sends these."""
    at_once: int
    """How many files are written at the same time."""

    def locked(self, *, force: bool) -> AbstractContextManager[None]:
        """Within the block no other export writes here; `force`: break another's lock."""

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if there is none."""

    def present(self) -> dict[str, Present | None]:
        """All files but the lock, by name. None: its content is known by `present_of` only."""

    def present_of(self, name: str) -> Present | None:
        """A file as it is now; None if there is none."""

    def is_written(self, present: Present, record: FileRecord) -> bool:
        """Whether a file that is there is what an export has recorded."""

    def write(self, name: str, content: bytes, headers: dict[str, str]) -> str:
        """Write a file in one step. Returns the tag for its record."""

    def delete(self, name: str) -> None:
        """Delete a file, and folders that this leaves empty."""
