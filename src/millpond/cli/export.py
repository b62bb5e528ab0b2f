"""millpond export"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from millpond.cli.facts.declared_routes import declared_routes
from millpond.cli.project import build_of, open_project
from millpond.cli.terminal.console import errors_as_json, notices, output, print_json, print_warning
from millpond.cli.terminal.options import HERE, Json, Which
from millpond.errors import CommandError
from millpond.export.export_folder import ExportFolder
from millpond.export.export_record import MANIFEST
from millpond.export.exported import UNCHANGING, Exported, LeftOut
from millpond.export.exporter import Exporter
from millpond.export.host_files import Host  # noqa: TC001 - the annotation is read at run time
from millpond.export.object_names import Naming  # noqa: TC001
from millpond.export.s3_bucket import SCHEME, S3Bucket
from millpond.messages import counted
from millpond.policy.entry import Coding  # noqa: TC001

if TYPE_CHECKING:
    from millpond.app import Millpond
    from millpond.export.export_place import ExportPlace
    from millpond.export.exporter import ExportReport

_INTERRUPTED = 130


def export(
    to: Annotated[str, Parameter(name="DIR", help="A folder, or s3://BUCKET/PREFIX (with millpond[s3]).")],
    /,
    *,
    which: Which = HERE,
    names: Annotated[
        Naming | None,
        Parameter(
            help="files: /products is products.json, by its type; the default for a folder. paths: it is products, and "
            "its type is a header; the default for s3://."
        ),
    ] = None,
    host: Annotated[
        Host | None, Parameter(name="--format", help="Also write _headers and _redirects, as this hoster reads them.")
    ] = None,
    codings: Annotated[
        list[Coding] | None,
        Parameter(negative="", help="Also write compressed forms, such as products.json.br; one or several codings."),
    ] = None,
    cache_control: Annotated[
        str, Parameter(help="The Cache-Control of answers that never go stale and have none of their own.")
    ] = UNCHANGING,
    endpoint_url: Annotated[
        str | None, Parameter(help="Another store with S3's API, such as https://minio.internal:9000.")
    ] = None,
    force: Annotated[
        bool, Parameter(negative="", help="Write into a place with files of others; those in the way are replaced.")
    ] = False,
    dry_run: Annotated[bool, Parameter(negative="", help="Only tell what would be written and deleted.")] = False,
    strict: Annotated[bool, Parameter(negative="", help="Exit with 1 if anything can't be exported.")] = False,
    json: Json = False,
) -> int:
    """Write the static answers of the build, and public/, as files. Only what has changed is written."""
    with errors_as_json(json):
        place = _place(to, endpoint_url)  # before the project's folder is the working directory
        app = open_project(which.entrypoint())
        exported, notes = _exported(app, place, names, codings or [], cache_control)
        with _ExportProgress() as progress:
            exporter = Exporter(exported, place, app.config, host, force=force, dry_run=dry_run, show=progress.show)
            try:
                report = exporter.run()
            except KeyboardInterrupt:
                notices().print("interrupted: run it again to write the rest; nothing was deleted")
                return _INTERRUPTED
            except OSError as error:
                raise CommandError(f"{error.filename} can't be read: {error.strerror}.") from None
    report.notes[:0] = notes
    if json:
        print_json(_facts(exported, report, place, dry_run=dry_run))
    else:
        _report(exported, report, place, dry_run=dry_run)
    return 1 if strict and exported.left_out else 0


def _place(to: str, endpoint_url: str | None) -> ExportPlace:
    return S3Bucket(to, endpoint_url) if to.startswith(SCHEME) else ExportFolder(Path(to).absolute())


def _exported(
    app: Millpond, place: ExportPlace, names: Naming | None, codings: list[Coding], cache_control: str
) -> tuple[Exported, list[str]]:
    """What is exported, and notes about it.

    Raises:
        CommandError: there is no build that a server would serve.
    """
    manifest, notes = build_of(app)
    if manifest is None:
        raise CommandError("there is no build to export; run `millpond build`." if app.manifest() is None else notes[0])
    exported = Exported(
        project=app.project,
        manifest=manifest,
        config=app.config,
        routes=app.own_routes,
        public=app.published.listing,
        naming=names or ("paths" if place.is_flat else "files"),
        codings=codings,
        unchanging=cache_control,
        is_flat=place.is_flat,
    )
    exported.left_out += [
        LeftOut(each.path, f"live: {each.why}", None if each.place is None else str(each.place))
        for each in declared_routes(app)
        if not each.is_fastapis
    ]
    return exported, notes


def _facts(exported: Exported, report: ExportReport, place: ExportPlace, *, dry_run: bool) -> dict[str, Any]:
    return {
        "to": place.label,
        "build": exported.manifest.build,
        "dry_run": dry_run,
        "written": sorted(report.written),
        "unchanged": sorted(report.unchanged),
        "deleted": sorted(report.deleted),
        "kept": sorted(report.kept),
        "bytes": report.bytes,
        "fresh": [{"path": path, "revalidate": seconds} for path, seconds in exported.fresh],
        "redirects": exported.redirects,
        "left_out": [each.facts() for each in exported.left_out],
        "warnings": report.notes,
    }


def _report(exported: Exported, report: ExportReport, place: ExportPlace, *, dry_run: bool) -> None:
    console = output()
    would = "would be " if dry_run else ""
    console.print(
        f"{place.label}: build {exported.manifest.build}, {counted(len(report.written), 'file')} {would}written "
        f"({decimal(report.bytes)}), {len(report.unchanged)} unchanged, {len(report.deleted)} {would}deleted",
        soft_wrap=True,
    )
    for label, listed in (
        ("goes stale", [f"{path}  after {seconds:g} s; the next export renews it" for path, seconds in exported.fresh]),
        ("redirect", [f"{each.source}  {each.status} to {each.target}: in {MANIFEST}" for each in exported.redirects]),
        ("left out", map(_left_out_line, exported.left_out)),
        ("kept", [f"{name}  nothing has it any more, but it isn't as an export wrote it" for name in report.kept]),
    ):
        for text in listed:
            console.print(f"{label:<10} {text}", soft_wrap=True)
    for note in report.notes:
        print_warning(note)


def _left_out_line(each: LeftOut) -> str:
    return f"{each.path}  {each.reason} · {each.place}" if each.place else f"{each.path}  {each.reason}"


class _ExportProgress(Progress):
    """A progress bar on a terminal; it disappears when the export is done."""

    def __init__(self) -> None:
        console = notices()
        columns = (TextColumn("exporting"), BarColumn(), MofNCompleteColumn())
        super().__init__(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self.add_task("", total=None)

    def show(self, done: int, total: int) -> None:
        """Show how many files are done."""
        if not self.disable:
            self.update(self._task, completed=done, total=total)
