"""Writes an export: what has changed since the last one, and nothing that somebody else has written."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING

from millpond.errors import CommandError
from millpond.export.export_record import MANIFEST, ExportRecord, FileRecord, read_record
from millpond.export.exported import ExportedFile
from millpond.export.host_files import host_files
from millpond.messages import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from millpond.config import Config
    from millpond.export.export_place import ExportPlace, Present
    from millpond.export.exported import Exported
    from millpond.export.host_files import Host

_SHOWN = 3
"""How many names a message shows."""


@dataclass
class ExportReport:
    """What an export has done, or would do."""

    written: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """Files of the last export that nothing has any more, and that somebody has changed since."""
    bytes: int = 0
    """Of what was written."""
    notes: list[str] = field(default_factory=list)


@dataclass
class Exporter:
    """One export.

    The manifest is written first, with the names of all files that are going to be there, and again at the end: so an
    export that was broken off knows its files, and the next one ends its work. Files are deleted last.
    """

    exported: Exported
    place: ExportPlace
    config: Config
    host: Host | None = None
    force: bool = False
    """Whether files of others are replaced where they stand in the way; none is deleted."""
    dry_run: bool = False
    show: Callable[[int, int], None] = lambda done, total: None
    """Told how many files are done, and of how many."""

    def run(self) -> ExportReport:
        """Export.

        Raises:
            CommandError: the place has files of others, another export is under way, or something can't be written.
            BuildError: the build can't be read.
        """
        if self.dry_run:
            return self._run()
        with self.place.locked(force=self.force):
            return self._run()

    def _run(self) -> ExportReport:
        self._report = ExportReport()
        self._present = self.place.present()
        former = self._former()
        self._check(former)
        self._former_files, self._files = former.files if former is not None else {}, dict[str, FileRecord]()
        self._is_begun = False
        self._write_all()
        obsolete = [name for name in self._former_files if name not in self._files]
        self._delete(obsolete)
        if not self.dry_run:
            self._write_manifest(self._files, complete=True)
        return self._report

    def _former(self) -> ExportRecord | None:
        content = self.place.read(MANIFEST) if MANIFEST in self._present else None
        if content is None:
            return None
        try:
            return read_record(content, self.place.label)
        except CommandError:
            if self.force:
                return None
            raise

    def _check(self, former: ExportRecord | None) -> None:
        """Refuse a place that has something else in it: a mistyped name must not cost anything."""
        if self.force:
            return
        own = former.files if former is not None else {}
        others = sorted(name for name in self._present if name not in own and name != MANIFEST)
        wanted = {*self.exported.names.values()}
        in_the_way = others if former is None else [name for name in others if name in wanted]
        if in_the_way:
            shown = ", ".join(in_the_way[:_SHOWN]) + (" …" if len(in_the_way) > _SHOWN else "")
            raise CommandError(
                f"{self.place.label} has {counted(len(in_the_way), 'file')} that no export has written: {shown}. "
                "Name an empty place; or with --force replace those that stand in the way, and keep the others."
            )

    def _write_all(self) -> None:
        """Write each file that isn't there as it should be; a few at a time where that saves waiting."""
        total, done = len(self.exported.names), 0
        under_way: set[Future[tuple[str, FileRecord]]] = set()
        with ThreadPoolExecutor(self.place.at_once) as pool:
            try:
                for file in self._all():
                    under_way.add(pool.submit(self._put, file))
                    if len(under_way) >= 2 * self.place.at_once:  # so many bodies are in memory
                        ended, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                        done += self._ended(ended)
                        self.show(min(done, total), total)
                done += self._ended(under_way)
                self.show(total, total)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _all(self) -> Iterator[ExportedFile]:
        """The answers, and then the files for hosters, which are about them."""
        self._answers: dict[str, FileRecord] = {}
        for file in self.exported.files():
            if "content-encoding" not in file.headers:
                self._answers[file.name] = _record(file)
            self._begin()
            yield file
        if self.host is not None:
            made, notes = host_files(
                self.host, self._answers, self.exported.redirects, self.config.redirects, self.config.base_path
            )
            self._report.notes += notes
            for name, content in made.items():
                yield ExportedFile(name, f"/{name}", content, {"content-type": "text/plain; charset=utf-8"})

    def _begin(self) -> None:
        """Tell the next export, before anything is written, which files are of this one."""
        if self._is_begun or self.dry_run:
            return
        self._is_begun = True
        coming = {name: FileRecord(path, "", 0, {}) for path, name in self.exported.names.items()}
        self._write_manifest({**coming, **self._former_files}, complete=False)

    def _put(self, file: ExportedFile) -> tuple[str, FileRecord]:
        record, former = _record(file), self._former_files.get(file.name)
        there = self._there(file.name)
        headers_stay = not self.place.keeps_headers or (former is not None and former.headers == record.headers)
        if there is not None and headers_stay:
            known = former if former is not None and former.sha256 == record.sha256 else record
            if self.place.is_written(there, known):
                self._report.unchanged.append(file.name)
                return file.name, FileRecord(record.path, record.sha256, record.size, record.headers, known.tag)
        tag = "" if self.dry_run else self.place.write(file.name, file.content, file.headers)
        self._report.written.append(file.name)
        self._report.bytes += record.size
        return file.name, FileRecord(record.path, record.sha256, record.size, record.headers, tag)

    def _there(self, name: str) -> Present | None:
        if name not in self._present:
            return None
        return self._present[name] or self.place.present_of(name)

    def _ended(self, futures: set[Future[tuple[str, FileRecord]]]) -> int:
        for future in futures:
            name, record = future.result()
            self._files[name] = record
        return len(futures)

    def _delete(self, obsolete: list[str]) -> None:
        for name in obsolete:
            there, former = self._there(name), self._former_files[name]
            if there is None:
                continue
            # An export that was broken off has no digest of what it meant to write, and may have written.
            if not former.sha256 or not self.place.is_written(there, former):
                self._report.kept.append(name)
                continue
            if not self.dry_run:
                self.place.delete(name)
            self._report.deleted.append(name)

    def _write_manifest(self, files: dict[str, FileRecord], *, complete: bool) -> None:
        manifest = self.exported.manifest
        record = ExportRecord.of(
            version("millpond"),
            manifest.build,
            dict(sorted(files.items())),
            self.exported.redirects,
            complete=complete,
        )
        self.place.write(MANIFEST, record.encoded(), {"content-type": "application/json"})


def _record(file: ExportedFile) -> FileRecord:
    return FileRecord(file.path, sha256(file.content).hexdigest(), len(file.content), file.headers)
