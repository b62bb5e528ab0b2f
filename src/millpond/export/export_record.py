"""What an export has written: the manifest that lies beside the files, and by which the next one knows its own."""

from __future__ import annotations

import msgspec

from millpond.errors import CommandError

MANIFEST = "millpond-export.json"
"""The name of the manifest."""
LOCK = "millpond-export.lock"
"""The name of what says that an export is under way."""
HOST_HEADERS, HOST_REDIRECTS = "_headers", "_redirects"
"""The files that hosters read."""
OWN_NAMES = (MANIFEST, LOCK, HOST_HEADERS, HOST_REDIRECTS)
"""Names that no answer has."""

_VERSION = 1


class FileRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file."""

    path: str
    """The URL's path that it answers; of a coded body and of files for hosters, too."""
    sha256: str
    """Of the file."""
    size: int
    headers: dict[str, str]
    """Those that the answer is to have."""
    tag: str = ""
    """What the place calls this content, where it does: the ETag of an object store."""

    def is_same(self, other: FileRecord | None) -> bool:
        """Whether the file needn't be written for its content or headers."""
        return other is not None and (self.sha256, self.headers) == (other.sha256, other.headers)


class RedirectRecord(msgspec.Struct, frozen=True):
    """A path that leads elsewhere."""

    source: str
    target: str
    status: int


class ExportRecord(msgspec.Struct, frozen=True):
    """An export."""

    version: int
    millpond: str
    build: str
    """The id of the build whose answers these are."""
    complete: bool
    """False while it is written, and if it was broken off."""
    files: dict[str, FileRecord]
    """By name."""
    redirects: list[RedirectRecord] = []

    @classmethod
    def of(
        cls, millpond: str, build: str, files: dict[str, FileRecord], redirects: list[RedirectRecord], *, complete: bool
    ) -> ExportRecord:
        """A record of this version."""
        return cls(_VERSION, millpond, build, complete, files, redirects)

    def encoded(self) -> bytes:
        """As it is written."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def read_record(content: bytes, place: str) -> ExportRecord:
    """The record in a manifest; `place`: what messages call the place.

    Raises:
        CommandError: it isn't one, or one of another version.
    """
    try:
        record = msgspec.json.decode(content, type=ExportRecord)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CommandError(
            f"{MANIFEST} in {place} is damaged ({error}); with --force everything is written anew, and nothing deleted."
        ) from None
    if record.version != _VERSION:
        raise CommandError(
            f"{MANIFEST} in {place} is of another version of Millpond ({record.millpond}); "
            "with --force everything is written anew, and nothing deleted."
        )
    return record
