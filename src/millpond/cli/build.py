"""millpond build"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NoReturn

from cyclopts import Parameter
from cyclopts.validators import Number

from millpond.app.hints.project_hints import hints
from millpond.cli.project import open_project, prints_on_stderr, run_project
from millpond.cli.terminal.console import (
    errors_as_json,
    notices,
    output,
    print_error,
    print_json,
    print_table,
    print_warning,
)
from millpond.cli.terminal.options import HERE, AppName, Json, Which
from millpond.cli.terminal.progress_bar import ProgressBar
from millpond.errors import UsageError
from millpond.messages import counted
from millpond.prerender.build_manifest import read_entries
from millpond.prerender.build_report import facts, failure_facts
from millpond.prerender.build_table import build_table, legend
from millpond.prerender.fingerprints.shared_answers import shared_fingerprints, under_shared_keys
from millpond.prerender.frozen_table import frozen_notes, frozen_table
from millpond.prerender.sharing.cores import available_cores
from millpond.prerender.sharing.crew import BuildProcesses
from millpond.prerender.sources.opened_files import opened_files
from millpond.serve.logs import configure_logs
from millpond.serve.processes.process_exit import exit_process
from millpond.stores.factory import shared_store

if TYPE_CHECKING:
    from rich.console import Console

    from millpond.app import Millpond
    from millpond.config import Entrypoint
    from millpond.prerender.build_manifest import BuildManifest
    from millpond.prerender.sharing.crew_member import Member
    from millpond.prerender.whole_build import Built
    from millpond.routes.public.public_folder import PublicListing


def build(
    named: AppName = None,
    /,
    *,
    which: Which = HERE,
    publish: Annotated[
        bool, Parameter(negative="", help="Upload the rendered answers to the shared store, for the hosts that serve.")
    ] = False,
    workers: Annotated[
        int | None,
        Parameter(
            help="Number of processes that render, at most; by default [build] workers, or the number of cores.",
            validator=Number(gte=1, lte=1024),
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Prerender the static routes, and report each route's mode and the reason for it."""
    configure_logs("text", "warning")
    with errors_as_json(json), opened_files():  # templates may be read while modules are imported
        entrypoint = which.entrypoint(named)
        app = open_project(entrypoint)
        if publish and app.config.cache.kind != "valkey":
            configured = app.config.cache.store
            raise UsageError(
                f'--publish needs a shared store, but the configuration has [cache] store = "{configured}".'
            )
        with prints_on_stderr(), ProgressBar("rendering") as progress:
            most = workers or app.config.build.workers or available_cores()
            processes = BuildProcesses(most, TakePart(entrypoint))
            built = run_project(app, app.builder().run(progress.show, processes))
        built.warnings.extend(hints(app))
        if publish and not built.failures:
            asyncio.run(_publish(app, built.manifest))
    if built.failures:
        return _report_failures(built, json, progress.total)
    if json:
        print_json(facts(built.manifest, app.published.listing, built.warnings, built.seconds))
    else:
        _report(built, app.published.listing, cache_components=app.config.cache_components)
    return 0


@dataclass(frozen=True, slots=True)
class TakePart:
    """What a further process of the build does; the `PartWork`, which is pickled."""

    entrypoint: Entrypoint

    def __call__(self, member: Member) -> None:
        """Load the project again, and render what others haven't claimed."""
        configure_logs("text", "warning")
        with opened_files(), prints_on_stderr():
            app = open_project(self.entrypoint, lambda note: None)  # notes are told once
            run_project(app, app.builder().take_part(member))

    def exit(self) -> NoReturn:
        """Exit as commands do, whatever threads the project has."""
        exit_process(0)


async def _publish(app: Millpond, manifest: BuildManifest) -> None:
    store = shared_store(app.project, app.config.cache, manifest.build, time.time)
    await store.open()
    try:
        fingerprints = shared_fingerprints(manifest, app.config.cache)
        await store.publish(under_shared_keys(read_entries(app.project, manifest), fingerprints))
    finally:
        await store.close()


def _report(built: Built, public: PublicListing, *, cache_components: bool) -> None:
    console = output()
    print_table(console, build_table(built.manifest, public, console.width))
    console.print()
    for line in legend([record.glyph for record in built.manifest.routes]):
        console.print(line, soft_wrap=True)
    _report_frozen(console, built.manifest, cache_components=cache_components)
    paths = sum(len(record.paths) for record in built.manifest.routes)
    console.print(f"\n{counted(paths, 'path')} rendered in {built.seconds:.1f} s", soft_wrap=True)
    for warning in built.warnings:
        console.print(f"warning: {warning}", soft_wrap=True)


def _report_frozen(console: Console, manifest: BuildManifest, *, cache_components: bool) -> None:
    table = frozen_table(manifest, console.width)
    notes = frozen_notes(manifest, cache_components=cache_components)
    if table is not None:
        console.print()
        print_table(console, table)
    if notes:
        console.print()
        for note in notes:
            console.print(note, soft_wrap=True)


def _report_failures(built: Built, json: bool, attempted: int) -> int:
    console = notices()
    for failure in built.failures:
        print_error(str(failure))
        console.print()
    for warning in built.warnings:
        print_warning(warning)
    console.print(f"{len(built.failures)} of {max(attempted, len(built.failures))} paths failed; nothing was written")
    if json:
        print_json(failure_facts(built.failures, built.warnings, built.seconds))
    return 1
